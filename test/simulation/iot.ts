// A model of AWS IoT's UpdateCertificate and DescribeCertificate for one account: a token bucket that
// all share, third parties, and every way in which a call can end. REVOKED is terminal.

import type { Certificates, DescribeAnswer, FailureKind, UpdateAnswer } from '../../src/call.ts';
import type { Random } from '../../src/clock.ts';
import type { Status } from '../../src/status.ts';
import type { Record } from './history.ts';
import type { Process } from './process.ts';
import { cutBy } from './sqs.ts';
import type { Time } from './time.ts';
import type { Troubles } from './trouble.ts';

export interface Iot {
  /** The certificates, as a process reaches them. */
  readonly certificates: (process: Process) => Certificates;
  /** Somebody else's doing; it comes to nothing where IoT refuses it. */
  readonly thirdParty: (certificateId: string, does: ThirdParty) => void;
  readonly statusOf: (certificateId: string) => string | undefined;
}

export type ThirdParty = 'activate' | 'deactivate' | 'revoke' | 'delete' | 'transfer' | 'take back';

export interface IotRules {
  /** UpdateCertificate calls per second, and as many at once. */
  readonly quota: number;
  /** Whether a status that is there already is answered with a state conflict. */
  readonly strict: boolean;
}

interface IotPorts extends IotRules {
  readonly time: Time;
  readonly chance: Random;
  readonly record: Record;
  readonly troubles: Troubles;
  readonly statuses: ReadonlyMap<string, string>;
}

/** When src/aws/certificates.ts gives up, ms. */
const timeLimitMs = 5000;

export function createIot({
  time,
  chance,
  record,
  troubles,
  quota,
  strict,
  ...rest
}: IotPorts): Iot {
  const statuses = new Map(rest.statuses);
  let tokens = quota;
  let refilledAtMs = time.now();
  let calls = 0;

  function hasToken(): boolean {
    if (troubles.strikes('iot throttles')) return false;
    tokens = Math.min(quota, tokens + ((time.now() - refilledAtMs) * quota) / 1000);
    refilledAtMs = time.now();
    if (tokens < 1) return false;
    tokens--;
    return true;
  }

  const latencyMs = (): number => {
    if (troubles.strikes('iot slow')) return chance() * 2400;
    return chance() < 0.8 ? 5 + chance() * 60 : chance() * 500;
  };

  /** Puts the certificate into the status, if that may be. */
  function apply(call: number, certificateId: string, status: Status): UpdateAnswer {
    const present = statuses.get(certificateId);
    if (present === undefined) return failed('not-found');
    const terminal = present === 'REVOKED' && status !== 'REVOKED';
    if (present === 'PENDING_TRANSFER' || terminal || (strict && present === status)) {
      return failed('state-conflict');
    }
    if (present !== status) {
      statuses.set(certificateId, status);
      record({ kind: 'effect', call, certificateId, to: status });
    }
    return { kind: 'updated', awsRequestId: `aws-${call}` };
  }

  async function update(
    call: number,
    certificateId: string,
    status: Status,
  ): Promise<UpdateAnswer> {
    if (troubles.strikes('iot hangs')) return afterTimeLimit();
    if (troubles.strikes('iot late')) {
      time.after(timeLimitMs + chance() * 20_000, () => apply(call, certificateId, status));
      return afterTimeLimit();
    }
    await time.sleep(latencyMs());
    if (troubles.strikes('iot unreachable')) return failed('unreachable');
    if (troubles.strikes('iot unauthorized')) return failed('unauthorized');
    if (!hasToken()) return failed('throttled');
    if (troubles.strikes('iot invalid request')) return failed('invalid-request');
    if (troubles.strikes('iot unknown exception')) return failed('unknown-exception');
    if (troubles.strikes('iot unavailable')) {
      if (chance() < 0.5) apply(call, certificateId, status);
      return failed('unavailable');
    }
    const answer = apply(call, certificateId, status);
    if (troubles.strikes('iot answer lost')) return afterTimeLimit();
    await time.sleep(latencyMs());
    return answer;
  }

  async function describe(certificateId: string): Promise<DescribeAnswer> {
    if (troubles.strikes('iot hangs')) return afterTimeLimit();
    await time.sleep(latencyMs());
    if (troubles.strikes('iot unreachable')) return failed('unreachable');
    if (troubles.strikes('iot unauthorized')) return failed('unauthorized');
    if (troubles.strikes('iot throttles describe')) return failed('throttled');
    if (troubles.strikes('iot unavailable')) return failed('unavailable');
    const status = statuses.get(certificateId);
    if (troubles.strikes('iot answer lost')) return afterTimeLimit();
    await time.sleep(latencyMs());
    return status === undefined ? failed('not-found') : { kind: 'described', status };
  }

  async function afterTimeLimit(): Promise<UpdateAnswer & DescribeAnswer> {
    await time.sleep(timeLimitMs);
    return failed('unknown-result');
  }

  function certificates(process: Process): Certificates {
    async function begin<Answer extends UpdateAnswer | DescribeAnswer>(
      operation: 'update' | 'describe',
      certificateId: string,
      status: Status | undefined,
      signal: AbortSignal,
      carryOut: (call: number) => Promise<Answer>,
    ): Promise<Answer> {
      const call = calls++;
      const [common, { name }] = [{ call, process: process.name }, process];
      if (process.isAlive()) {
        record({ kind: 'call', call, process: name, operation, certificateId, ...(status && { status }) }); // prettier-ignore
      }
      return process.ask(
        operation,
        async () => (await cutBy(signal, carryOut(call))) ?? (failed('unknown-result') as Answer),
        (answer) => {
          const as = answer.kind === 'failed' ? answer.failure.kind : answer.kind;
          const shown = answer.kind === 'described' ? answer.status : undefined;
          record({ kind: 'answer', ...common, as, ...(shown !== undefined && { shown }) });
        },
      );
    }
    return {
      update: (certificateId, status, signal) =>
        begin('update', certificateId, status, signal, (call) =>
          update(call, certificateId, status),
        ),
      describe: (certificateId, signal) =>
        begin('describe', certificateId, undefined, signal, () => describe(certificateId)),
    };
  }

  function thirdParty(certificateId: string, does: ThirdParty): void {
    const to = becomes(statuses.get(certificateId), does);
    if (to === undefined) return;
    if (to === 'missing') statuses.delete(certificateId);
    else statuses.set(certificateId, to);
    record({ kind: 'third party', certificateId, to });
  }

  return { certificates, thirdParty, statusOf: (certificateId) => statuses.get(certificateId) };
}

/** The status that IoT lets somebody bring a certificate into; undefined if it does not. */
function becomes(status: string | undefined, does: ThirdParty): string | undefined {
  switch (does) {
    case 'activate':
      return status === 'INACTIVE' ? 'ACTIVE' : undefined;
    case 'deactivate':
      return status === 'ACTIVE' ? 'INACTIVE' : undefined;
    case 'revoke':
      return status === 'ACTIVE' || status === 'INACTIVE' ? 'REVOKED' : undefined;
    case 'delete':
      return status === 'INACTIVE' || status === 'REVOKED' ? 'missing' : undefined;
    case 'transfer':
      return status === 'INACTIVE' ? 'PENDING_TRANSFER' : undefined;
    case 'take back':
      return status === 'PENDING_TRANSFER' ? 'INACTIVE' : undefined;
  }
}

function failed(kind: FailureKind): UpdateAnswer & DescribeAnswer {
  return { kind: 'failed', failure: { kind, name: kind, message: 'no' } };
}
