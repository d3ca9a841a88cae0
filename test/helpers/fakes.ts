// Ten-line fakes of the pipeline's ports, worked by hand: a slot fires and AWS answers when the test
// says so, and everything that follows from it is done before the test goes on.

import { setImmediate as turn } from 'node:timers/promises';
import type { Certificates, DescribeAnswer, Failure, UpdateAnswer } from '../../src/call.ts';
import type { Feedback } from '../../src/pace.ts';
import type { Status } from '../../src/status.ts';
import type { Serve, Throttle } from '../../src/throttle.ts';

export interface FakeThrottle extends Pick<Throttle, 'wake'> {
  /** Fires one slot. Tells whether anybody waited for it. */
  fire(): Promise<boolean>;
  /** What the attempts told the pace. */
  readonly feedback: readonly Feedback[];
}

export function createFakeThrottle(): FakeThrottle {
  let current: Serve = nobody;
  const feedback: Feedback[] = [];
  return {
    feedback,
    wake: (serve) => {
      current = serve;
    },
    fire: async () => {
      const attempt = current();
      void attempt?.then((told) => feedback.push(told));
      await turn();
      return attempt !== undefined;
    },
  };
}

export interface FakeCall {
  readonly operation: 'update' | 'describe';
  readonly certificateId: string;
  readonly status?: Status;
  readonly signal: AbortSignal;
}

export interface FakeCertificates extends Certificates {
  /** Every call so far, in the order they started. */
  readonly calls: readonly FakeCall[];
  /** Answers the oldest call that is under way. */
  answer(answer: UpdateAnswer | DescribeAnswer): Promise<void>;
}

export function createFakeCertificates(): FakeCertificates {
  const calls: FakeCall[] = [];
  const underWay: ((answer: never) => void)[] = [];
  function begin<Answer>(call: FakeCall): Promise<Answer> {
    calls.push(call);
    return new Promise<Answer>((resolve) => underWay.push(resolve));
  }
  return {
    calls,
    update: (certificateId, status, signal) =>
      begin<UpdateAnswer>({ operation: 'update', certificateId, status, signal }),
    describe: (certificateId, signal) =>
      begin<DescribeAnswer>({ operation: 'describe', certificateId, signal }),
    answer: async (answer) => {
      const resolve = underWay.shift();
      if (resolve === undefined) throw new Error('no call is under way');
      resolve(answer as never);
      await turn();
    },
  };
}

export const updated: UpdateAnswer = { kind: 'updated', awsRequestId: 'aws-1' };

/** An answer that says no, as `kind`. */
export function failedAs(
  kind: Failure['kind'],
  fields: Partial<Failure> = {},
): UpdateAnswer & DescribeAnswer {
  return { kind: 'failed', failure: { kind, name: 'Exception', message: 'no', ...fields } };
}

export function describedAs(status: string): DescribeAnswer {
  return { kind: 'described', status, awsRequestId: 'aws-look' };
}

function nobody(): undefined {}
