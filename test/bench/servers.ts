// SQS and the IoT control plane in a process of their own, and the only stop-watch of the bench:
// whatever is measured is what the servers saw, so that nothing is added to any contestant. CPU and
// memory come from /proc, hence Linux only.

import { SQSClient, GetQueueAttributesCommand, PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import Fastify from 'fastify';
import { randomBytes, randomUUID } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { createCallLog, type Call } from '../../src/sandbox/call-log.ts';
import { createIssuer } from '../../src/sandbox/certificate.ts';
import { createFaultPlan } from '../../src/sandbox/fault.ts';
import { addOperationRoutes } from '../../src/sandbox/front.ts';
import { routesOf, type Operation } from '../../src/sandbox/operation.ts';
import { startQueues } from '../../src/sandbox/queues.ts';
import { createRegistry, enrol } from '../../src/sandbox/registry.ts';
import { createTokenBucket, type TokenBucket } from '../../src/sandbox/token-bucket.ts';
import type { Command, Measured, Order, Quota, Ready, Watch } from './protocol.ts';

const own = 'bench-itself';
const another = 'another-client';

const queues = await startQueues();
const registry = createRegistry({
  region: 'us-east-1',
  accountId: '000000000000',
  now: Date.now,
});
const faults = createFaultPlan(Math.random);
const buckets = new Map<Operation, TokenBucket>();
/** The log of the measurement that runs; the sandbox's own, which keeps every call. */
let log = createCallLog();
const iot = await startIot();
const sqs = new SQSClient({
  region: 'us-east-1',
  endpoint: queues.endpoint,
  credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  customUserAgent: own,
});
const { deadLetter, ...laneUrls } = queues.urls;

process.on('message', (message: { readonly id: number; readonly command: Command }) => {
  void carryOut(message.command).then((answer) => process.send?.({ id: message.id, answer }));
});
const ready: Ready = {
  environment: {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    AWS_ENDPOINT_URL_IOT: iot,
    AWS_ACCOUNT_ID: '000000000000',
    INCIDENT_QUEUE_URL: laneUrls.incident,
    ALERT_QUEUE_URL: laneUrls.alert,
    ROTATION_QUEUE_URL: laneUrls.rotation,
    DEAD_LETTER_QUEUE_URL: deadLetter,
  },
};
process.send?.(ready);

async function carryOut(command: Command): Promise<unknown> {
  switch (command.kind) {
    case 'enrol':
      // No real certificates, as the sandbox makes: at 0.9 ms each, 200,000 would take minutes.
      return Array.from(
        { length: command.count },
        () => enrol(registry, randomBytes(32), 'ACTIVE', 'DEFAULT').certificateId,
      );
    case 'send':
      return send(command.orders);
    case 'purge':
      return Promise.all(
        Object.values(laneUrls).map((QueueUrl) => sqs.send(new PurgeQueueCommand({ QueueUrl }))),
      );
    case 'measure':
      return measure(command);
  }
}

/** The sandbox's IoT control plane over a registry that we can fill cheaply. */
async function startIot(): Promise<string> {
  const app = Fastify({
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    genReqId: () => randomUUID(),
    routerOptions: {
      maxParamLength: 1024,
      querystringParser: (query) => Object.fromEntries(new URLSearchParams(query)),
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-amzn-RequestId', request.id);
    done();
  });
  addOperationRoutes(app, routesOf(registry, await createIssuer(Date.now)), {
    now: Date.now,
    log: {
      calls: [],
      receive: (call) => log.receive(call),
      waitFor: (predicate) => log.waitFor(predicate),
      close: () => log.close(),
    },
    faults,
    buckets,
    sleep: (ms) => sleepFor(ms),
  });
  return app.listen({ host: '127.0.0.1', port: 0 });
}

async function send(orders: readonly Order[]): Promise<void> {
  const batches = Array.from({ length: Math.ceil(orders.length / 10) }, (_, at) =>
    orders.slice(at * 10, at * 10 + 10),
  );
  // In order, yet several lanes' worth at once: producers do not wait for each other either.
  let next = 0;
  async function sendOn(): Promise<void> {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      for (const lane of ['incident', 'alert', 'rotation'] as const) {
        const entries = batch.filter((order) => order.lane === lane);
        if (entries.length > 0) await sendBatch(laneUrls[lane], entries);
      }
    }
  }
  await Promise.all(Array.from({ length: 4 }, sendOn));
}

async function sendBatch(QueueUrl: string, orders: readonly Order[]): Promise<void> {
  await sqs.send(
    new SendMessageBatchCommand({
      QueueUrl,
      Entries: orders.map(({ certificateId }, at) => ({
        Id: String(at),
        MessageBody: JSON.stringify({
          certificateId,
          newStatus: 'INACTIVE',
          requestedBy: 'bench',
          reason: 'superseded',
        }),
      })),
    }),
  );
}

async function measure(watch: Watch): Promise<Measured> {
  const stopped = new AbortController();
  log = createCallLog();
  faults.clear();
  if (watch.latencyMs > 0) {
    faults.inject({
      kind: 'slow',
      ms: watch.latencyMs,
      times: 'always',
      operation: 'UpdateCertificate',
    });
  }
  setQuota(watch.quotas[0]?.quota ?? 'unlimited');
  const traffic = watchTraffic(watch.pids);
  const urgent = new Map<string, number>();
  const background: Promise<void>[] = [];
  const isOurs = (call: Call): boolean =>
    call.operation === 'UpdateCertificate' && call.userAgent?.includes(another) !== true;
  let firstCallMs: number | undefined;
  const deadlineMs = Date.now() + watch.timeoutMs;
  let timedOut = false;
  for (;;) {
    if (firstCallMs === undefined) {
      await sleepFor(5);
      firstCallMs = log.calls.find(isOurs)?.receivedAtMs;
      if (firstCallMs !== undefined) background.push(...beginWith(watch, urgent, stopped.signal));
    } else {
      const elapsedMs = Date.now() - firstCallMs;
      if (watch.untilMs === undefined ? (await left()) === 0 : elapsedMs >= watch.untilMs) break;
      await sleepFor(100);
    }
    if (Date.now() > deadlineMs) {
      timedOut = true;
      break;
    }
  }
  const untilMs = firstCallMs === undefined ? Infinity : firstCallMs + (watch.untilMs ?? Infinity);
  const used = traffic.end();
  stopped.abort();
  await Promise.all(background);
  const begunMs = firstCallMs ?? 0;
  const calls = log.calls.filter((call) => call.receivedAtMs <= untilMs);
  const ours = calls.filter(isOurs);
  const succeeded = ours.filter((call) => call.answer === 'ok');
  const others = calls.filter((call) => call.userAgent?.includes(another));
  const isThrottled = (call: Call): boolean => call.answer === 'ThrottlingException';
  const calledAtMs = new Map<string, number>();
  for (const { certificateId = '', receivedAtMs } of succeeded) {
    if (!calledAtMs.has(certificateId)) calledAtMs.set(certificateId, receivedAtMs);
  }
  return {
    timedOut,
    calls: ours.length,
    throttled: ours.filter(isThrottled).length,
    certificates: calledAtMs.size,
    callingMs: (succeeded.at(-1)?.answeredAtMs ?? begunMs) - begunMs,
    succeededAtMs:
      succeeded.length > 20_000 ? [] : succeeded.map((call) => call.receivedAtMs - begunMs),
    others: { calls: others.length, throttled: others.filter(isThrottled).length },
    urgentMs: [...urgent].map(
      ([certificateId, sentMs]) => (calledAtMs.get(certificateId) ?? Infinity) - sentMs,
    ),
    ...used,
  };
}

function setQuota(quota: Quota): void {
  if (quota === 'unlimited') buckets.delete('UpdateCertificate');
  else buckets.set('UpdateCertificate', createTokenBucket(quota, Date.now));
}

/** What goes on beside the contestants from their first call on. */
function beginWith(
  watch: Watch,
  urgent: Map<string, number>,
  signal: AbortSignal,
): Promise<void>[] {
  const after = async (ms: number): Promise<boolean> =>
    sleepFor(ms, undefined, { signal }).then(
      () => true,
      () => false,
    );
  const going = watch.quotas.slice(1).map(async ({ fromMs, quota }) => {
    if (await after(fromMs)) setQuota(quota);
  });
  const { othersPerSecond = 0, urgent: orders } = watch;
  if (othersPerSecond > 0) going.push(callOften(othersPerSecond, after));
  if (orders !== undefined) {
    going.push(
      (async () => {
        for (const certificateId of orders.certificateIds) {
          if (!(await after(orders.everyMs))) break;
          urgent.set(certificateId, Date.now());
          await sendBatch(laneUrls.incident, [{ lane: 'incident', certificateId }]);
        }
      })(),
    );
  }
  return going;
}

/** Another client: it keeps to its rate, and what is refused it does not repeat. */
async function callOften(
  perSecond: number,
  after: (ms: number) => Promise<boolean>,
): Promise<void> {
  const { certificateId } = enrol(registry, randomBytes(32), 'ACTIVE', 'DEFAULT');
  const url = `${iot}/certificates/${certificateId}?newStatus=INACTIVE`;
  const beganMs = performance.now();
  for (let made = 1; ; made++) {
    void fetch(url, { method: 'PUT', headers: { 'user-agent': another } })
      .then((response) => response.text())
      .catch(() => undefined);
    const dueMs = beganMs + (made * 1000) / perSecond;
    if (!(await after(Math.max(0, dueMs - performance.now())))) return;
  }
}

/** Messages in the lanes, visible or held. */
async function left(): Promise<number> {
  const counts = await Promise.all(
    Object.values(laneUrls).map(async (QueueUrl) => {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({
          QueueUrl,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
      );
      return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

type Used = Pick<
  Measured,
  'requests' | 'workingMs' | 'cpuMicros' | 'peakRssBytes' | 'serverCpuMicros'
>;

interface Traffic {
  readonly pids: readonly number[];
  readonly requests: Record<string, number>;
  began?: { readonly atMs: number; readonly cpuMicros: number; readonly server: NodeJS.CpuUsage };
  lastDeleteMs: number;
}

let current: Traffic | undefined;

// Seen by Node itself, before any framework: whatever asks either server.
subscribe('http.server.request.start', (message) => {
  const { request } = message as { readonly request: IncomingMessage };
  const name = nameOf(request);
  if (current === undefined || name === undefined) return;
  current.requests[name] = (current.requests[name] ?? 0) + 1;
  if (name === 'ReceiveMessage' && current.began === undefined) {
    current.began = {
      atMs: performance.now(),
      cpuMicros: sum(current.pids, cpuMicrosOf),
      server: process.cpuUsage(),
    };
  }
});
subscribe('http.server.response.finish', (message) => {
  const { request } = message as { readonly request: IncomingMessage };
  if (nameOf(request)?.startsWith('DeleteMessage') && current) {
    current.lastDeleteMs = performance.now();
  }
});

/** The operation that a contestant asks for; undefined for anybody else. */
function nameOf({ headers, method }: IncomingMessage): string | undefined {
  const agent = headers['user-agent'] ?? '';
  if (agent.includes(own) || agent.includes(another)) return undefined;
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.slice(target.indexOf('.') + 1);
  return method === 'PUT' ? 'UpdateCertificate' : 'DescribeCertificate';
}

function watchTraffic(pids: readonly number[]): { readonly end: () => Used } {
  const mine: Traffic = { pids, requests: {}, lastDeleteMs: 0 };
  current = mine;
  return {
    end: () => {
      current = undefined;
      const { began } = mine;
      if (began === undefined) {
        return { requests: {}, workingMs: 0, cpuMicros: 0, peakRssBytes: 0, serverCpuMicros: 0 };
      }
      const server = process.cpuUsage(began.server);
      return {
        requests: mine.requests,
        workingMs: mine.lastDeleteMs - began.atMs,
        cpuMicros: sum(pids, cpuMicrosOf) - began.cpuMicros,
        peakRssBytes: sum(pids, peakRssBytesOf),
        serverCpuMicros: server.user + server.system,
      };
    },
  };
}

/** User and system time of all its threads; the kernel counts in hundredths of a second. */
function cpuMicrosOf(pid: number): number {
  const stat = procFile(pid, 'stat');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10_000;
}

function peakRssBytesOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(procFile(pid, 'status'))?.[1] ?? 0) * 1024;
}

function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}
