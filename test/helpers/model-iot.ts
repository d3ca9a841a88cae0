// A model of AWS IoT's UpdateCertificate and DescribeCertificate, in virtual time: a quota, latencies,
// and every way in which a call can go wrong. REVOKED is terminal.

import type { Certificates, DescribeAnswer, UpdateAnswer } from '../../src/call.ts';
import type { Clock, Random } from '../../src/clock.ts';
import type { Status } from '../../src/status.ts';
import { failedAs } from './fakes.ts';

export type Fault =
  /** Half of the updates end in a 500, and half of those have taken effect. */
  | 'unavailable'
  /** Half of the requests are lost, or take effect long after the caller has given up. */
  | 'lost-request'
  /** Half of the answers are lost; the update has taken effect. */
  | 'lost-response'
  /** Nothing is permitted. */
  | 'unauthorized';

export interface ModelIot extends Certificates {
  /** The faults in force. */
  readonly faults: Set<Fault>;
  /** Somebody else activates the certificate, if it is INACTIVE. Tells whether it was. */
  activate(certificateId: string): boolean;
  statusOf(certificateId: string): string | undefined;
}

export interface IotRules {
  /** UpdateCertificate calls per second, and as many at once. */
  readonly quota: number;
  /** Whether a status that is there already is answered with a state conflict. */
  readonly strict: boolean;
}

/** When the caller gives up on a call, ms. */
const timeoutMs = 3000;

export function createModelIot(
  statuses: Map<string, string>,
  { quota, strict }: IotRules,
  clock: Clock,
  chance: Random,
): ModelIot {
  const faults = new Set<Fault>();
  let tokens = quota;
  let refilledAtMs = clock.now();

  function hasToken(): boolean {
    tokens = Math.min(quota, tokens + ((clock.now() - refilledAtMs) * quota) / 1000);
    refilledAtMs = clock.now();
    if (tokens < 1) return false;
    tokens--;
    return true;
  }

  function strikes(fault: Fault): boolean {
    return faults.has(fault) && chance() < 0.5;
  }

  function latencyMs(): number {
    return chance() < 0.8 ? 5 + chance() * 100 : chance() * 1500;
  }

  /** Puts the certificate into the status, if that may be. */
  function apply(certificateId: string, status: Status): UpdateAnswer {
    const present = statuses.get(certificateId);
    if (present === undefined) return failedAs('not-found');
    const terminal = present === 'REVOKED' && status !== 'REVOKED';
    if (present === 'PENDING_TRANSFER' || terminal || (strict && present === status)) {
      return failedAs('state-conflict');
    }
    statuses.set(certificateId, status);
    return { kind: 'updated', awsRequestId: `aws-${clock.now()}` };
  }

  async function update(certificateId: string, status: Status): Promise<UpdateAnswer> {
    if (strikes('lost-request')) {
      const lands = chance() < 0.5;
      const late = clock.sleep(timeoutMs * (1 + chance() * 3));
      if (lands) void late.then(() => apply(certificateId, status));
      await clock.sleep(timeoutMs);
      return failedAs('unknown-result');
    }
    await clock.sleep(latencyMs());
    if (faults.has('unauthorized')) return failedAs('unauthorized');
    if (!hasToken()) return failedAs('throttled');
    if (strikes('unavailable')) {
      if (chance() < 0.5) apply(certificateId, status);
      return failedAs('unavailable');
    }
    const answer = apply(certificateId, status);
    if (strikes('lost-response')) {
      await clock.sleep(timeoutMs);
      return failedAs('unknown-result');
    }
    await clock.sleep(latencyMs());
    return answer;
  }

  async function describe(certificateId: string): Promise<DescribeAnswer> {
    await clock.sleep(latencyMs());
    if (faults.has('unauthorized')) return failedAs('unauthorized');
    if (strikes('unavailable')) return failedAs('unavailable');
    const status = statuses.get(certificateId);
    await clock.sleep(latencyMs());
    return status === undefined ? failedAs('not-found') : { kind: 'described', status };
  }

  return {
    faults,
    update: (certificateId, status, signal) =>
      Promise.race([update(certificateId, status), givesUp(signal)]),
    describe: (certificateId, signal) => Promise.race([describe(certificateId), givesUp(signal)]),
    activate: (certificateId) => {
      const inactive = statuses.get(certificateId) === 'INACTIVE';
      if (inactive) statuses.set(certificateId, 'ACTIVE');
      return inactive;
    },
    statusOf: (certificateId) => statuses.get(certificateId),
  };
}

/** The caller hangs up. */
function givesUp(signal: AbortSignal): Promise<UpdateAnswer & DescribeAnswer> {
  return new Promise((resolve) => {
    const hangUp = (): void => resolve(failedAs('unknown-result'));
    if (signal.aborted) hangUp();
    else signal.addEventListener('abort', hangUp, { once: true });
  });
}
