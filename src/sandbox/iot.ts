// A control plane of AWS IoT on loopback: the certificate and thing operations that this project
// and its operators use, spoken to by any AWS client through its endpoint setting. It throttles,
// fails and forgets to answer on demand, and logs every call. Signatures are not checked.
//
// A request goes: front.ts (log → throttle → faults) → operation.ts (binding) → the operations
// (constraints → state in registry.ts) → answer.ts → front.ts again.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { addAdminRoutes } from './admin.ts';
import { enterAudit, type Audit } from './audit-operations.ts';
import { createCallLog, type Call } from './call-log.ts';
import { createIssuer, type Issuer } from './certificate.ts';
import type { CertificateStatus } from './constraint.ts';
import { createFaultPlan, type Fault } from './fault.ts';
import { addOperationRoutes } from './front.ts';
import { routesOf, type Operation } from './operation.ts';
import { createRegistry, enrol, type Registry } from './registry.ts';
import { enterThing, type EnteredThing } from './thing-operations.ts';
import { createTokenBucket, type Quota, type TokenBucket } from './token-bucket.ts';

/** Where the control plane listens, whose it plays, and what it is given instead of the world. */
export interface IotOptions {
  /** TCP port on 127.0.0.1. Default 0: any free one. */
  readonly port?: number;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** 12 digits. Default `000000000000`. */
  readonly accountId?: string;
  /** UpdateCertificate's quota. Default 10 calls/s with a burst of 10, as AWS gives an account. */
  readonly quota?: Quota | 'unlimited';
  /** Epoch ms. Default `Date.now`. */
  readonly now?: () => number;
  /** 0 ≤ x < 1, for faults with a probability. Default `Math.random`. */
  readonly random?: () => number;
  /** Waits out a slow fault; ends early, by rejecting, when the signal aborts. Default a timer. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A running control plane, as the process that started it sees it. */
export interface IotSandbox extends AsyncDisposable {
  /** E.g. `http://127.0.0.1:41234`, for `AWS_ENDPOINT_URL_IOT`. */
  readonly endpoint: string;
  readonly port: number;
  readonly accountId: string;
  readonly region: string;
  /** Every call so far, in order of receipt. Live. */
  readonly calls: readonly Call[];
  /** A certificate's status now; undefined when there is no such certificate. */
  readonly status: (certificateId: string) => CertificateStatus | undefined;
  /**
   * Registers this many new, real certificates without a call, ACTIVE unless said otherwise, and
   * answers their ids in order of registration. About 1 ms each.
   */
  readonly seed: (wanted: {
    readonly count: number;
    readonly status?: CertificateStatus;
  }) => Promise<readonly string[]>;
  /** Enters a thing with its certificates and other principals, without a call. */
  readonly enterThing: (thing: EnteredThing) => void;
  /** Enters what an audit of Device Defender has found, without a call; answers its task's id. */
  readonly enterAudit: (audit: Audit) => string;
  /** Puts a fault in force; the answer takes it away again. Throws on an invalid fault. */
  readonly inject: (fault: Fault) => () => void;
  /** Gives an operation (default UpdateCertificate) a new, full bucket, or none. */
  readonly setQuota: (quota: Quota | 'unlimited', operation?: Operation) => void;
  /** Resolves once the predicate holds of the calls; looked at now and upon each change. */
  readonly waitFor: (predicate: (calls: readonly Call[]) => boolean) => Promise<void>;
  /** Stops at once, cutting hanging connections; rejects whoever still waits. */
  readonly stop: () => Promise<void>;
}

/** Starts a control plane; rejects when the port is taken. */
export async function startIot(options: IotOptions = {}): Promise<IotSandbox> {
  const { port = 0, region = 'us-east-1', accountId = '000000000000' } = options;
  const { now = Date.now, random = Math.random, quota = { rate: 10, burst: 10 } } = options;
  const stopping = new AbortController();
  const registry = createRegistry({ region, accountId, now });
  const issuer = await createIssuer(now);
  const faults = createFaultPlan(random);
  const log = createCallLog();
  const buckets = new Map<Operation, TokenBucket>();
  const setQuota: IotSandbox['setQuota'] = (wanted, operation = 'UpdateCertificate') => {
    if (wanted === 'unlimited') buckets.delete(operation);
    else buckets.set(operation, createTokenBucket(wanted, now));
  };
  setQuota(quota);

  const app = createServer();
  const sleep = options.sleep ?? ((ms, signal) => sleepFor(ms, undefined, { signal }));
  addOperationRoutes(app, routesOf(registry, issuer), {
    now,
    log,
    faults,
    buckets,
    sleep: (ms) => sleep(ms, stopping.signal),
  });
  addAdminRoutes(app, registry, {
    calls: log.calls,
    setQuota,
    inject: faults.inject,
    clearFaults: faults.clear,
  });
  const endpoint = await app.listen({ host: '127.0.0.1', port });

  const stop = async (): Promise<void> => {
    stopping.abort();
    log.close();
    await app.close();
  };
  return {
    endpoint,
    port: Number(new URL(endpoint).port),
    accountId,
    region,
    calls: log.calls,
    status: (certificateId) => registry.certificates.get(certificateId)?.status,
    seed: ({ count, status = 'ACTIVE' }) => seed(registry, issuer, count, status),
    enterThing: (thing) => enterThing(registry, thing),
    enterAudit: (audit) => enterAudit(registry, audit),
    inject: faults.inject,
    setQuota,
    waitFor: log.waitFor,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

// In batches, so that calls are answered while a large fleet is made.
async function seed(
  registry: Registry,
  issuer: Issuer,
  count: number,
  status: CertificateStatus,
): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const batch = Array.from({ length: Math.min(100, count - ids.length) }, issuer.issue);
    for (const der of await Promise.all(batch)) {
      ids.push(enrol(registry, der, status, 'DEFAULT').certificateId);
    }
  }
  return ids;
}

function createServer(): FastifyInstance {
  const app = Fastify({
    forceCloseConnections: true, // a hanging call must not hold up a stop
    exposeHeadRoutes: false,
    genReqId: () => randomUUID(),
    routerOptions: {
      maxParamLength: 1024, // longer than any id, so that validation answers
      querystringParser: (query) => Object.fromEntries(new URLSearchParams(query)),
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-amzn-RequestId', request.id);
    done();
  });
  return app;
}
