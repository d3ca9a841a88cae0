import * as fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { expand as expandUntil, type SendBack } from '../src/expansion.ts';
import { alertFormats } from '../src/intent.ts';
import type { Lane } from '../src/lane.ts';
import type { Outcome } from '../src/outcome.ts';
import { largestMessageBytes, mostPerBatch, type Taken } from '../src/queue.ts';
import { read } from '../src/reading.ts';
import type { Request } from '../src/request.ts';
import { statuses } from '../src/status.ts';
import { certificateIdOf, deployment, requestOf } from './helpers/message.ts';

const taken: Taken = { done: true };
const notTaken: Taken = { done: false, final: false, cause: 'InternalError: no' };

/** Requests for so many certificates. */
function requests(count: number, fields: Partial<Request> = {}): readonly Request[] {
  return Array.from({ length: count }, (_, n) =>
    requestOf({ certificateId: certificateIdOf(n), ...fields }),
  );
}

/** A queue that takes what `takes` says, and keeps it. */
function setup(takes: (n: number) => Taken = () => taken) {
  const batches: (readonly string[])[] = [];
  const bodies: string[] = [];
  let n = 0;
  const sendBack: SendBack = async (_lane, batch) => {
    batches.push(batch);
    return batch.map((body) => {
      const told = takes(n++);
      if (told.done) bodies.push(body);
      return told;
    });
  };
  return { sendBack, batches, bodies };
}

function idsOf(bodies: readonly string[]): readonly string[] {
  return bodies.map((body) => (JSON.parse(body) as { certificateId: string }).certificateId);
}

/** Makes messages of all requests; nobody stops it. */
function expand(...[requests, lane, sendBack]: Parameters<Expand>): Promise<Outcome> {
  return expandUntil(requests, lane, sendBack, new AbortController().signal);
}

type Expand = (requests: readonly Request[], lane: Lane, sendBack: SendBack) => Promise<Outcome>;

describe('an expansion', () => {
  test('sends a request for each certificate, in batches that SQS takes', async () => {
    const { sendBack, batches, bodies } = setup();
    const outcome = await expand(requests(123), 'alert', sendBack);
    expect(outcome).toEqual({
      kind: 'expanded',
      cause: '123 certificates are named; a request for each has been sent to the alert queue',
    });
    expect(batches.map((batch) => batch.length)).toEqual([...Array<number>(12).fill(10), 3]);
    expect(idsOf(bodies)).toEqual(requests(123).map(({ certificateId }) => certificateId));
  });

  test('keeps in each request all that was asked, and by what', async () => {
    const { sendBack, bodies } = setup();
    const [request] = requests(1, {
      partition: 'aws',
      newStatus: 'INACTIVE',
      requestId: 'r',
      requestedBy: 'soc',
      reason: 'keyCompromise',
      comment: 'c',
      incidentId: 'i',
      thingName: 'sensor-1',
      origin: { format: 'device-defender-audit', name: 'SHARED_CHECK', id: 'task-1' },
      other: { floor: 7, certificateId: 'not this one' },
    });
    await expand(request ? [request] : [], 'alert', sendBack);
    expect(JSON.parse(bodies[0] ?? '')).toEqual({
      certificateId: certificateIdOf(0),
      newStatus: 'INACTIVE',
      requestId: 'r',
      requestedBy: 'soc',
      reason: 'keyCompromise',
      comment: 'c',
      incidentId: 'i',
      thingName: 'sensor-1',
      origin: { format: 'device-defender-audit', name: 'SHARED_CHECK', id: 'task-1' },
      floor: 7,
    });
  });

  test('can be read back as it was, whatever was asked', async () => {
    const text = fc.string({ maxLength: 20 });
    const request = fc.record(
      {
        newStatus: fc.constantFrom(...statuses),
        requestId: text,
        requestedBy: text,
        reason: fc.constantFrom('keyCompromise', 'superseded'),
        comment: text,
        incidentId: text,
        thingName: fc.constantFrom('sensor-1', 'a:b_c'),
        origin: fc.record(
          { format: fc.constantFrom(...alertFormats), name: text, id: text },
          { requiredKeys: ['format', 'name'] },
        ),
        other: fc.constantFrom({ floor: 7 }, { device: { floor: [1] }, note: 'x' }),
      },
      { requiredKeys: ['newStatus'] },
    );
    await fc.assert(
      fc.asyncProperty(request, async (fields) => {
        const { sendBack, bodies } = setup();
        await expand(requests(1, fields), 'alert', sendBack);
        expect(read(bodies[0] ?? '', 'alert', deployment)).toEqual({
          kind: 'intents',
          intents: [
            { target: { kind: 'certificate', certificateId: certificateIdOf(0) }, ...fields },
          ],
        });
      }),
    );
  });

  test('holds no character that SQS refuses, and yet says the same', async () => {
    const { sendBack, bodies } = setup();
    const comment = 'a\ufffeb\uffffc\uffff\ufffd';
    await expand(requests(1, { comment }), 'alert', sendBack);
    expect(bodies[0]).toContain(String.raw`a\ufffeb\uffffc\uffff` + '\ufffd');
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ comment });
  });

  test('leaves unknown fields out that would not fit into a batch ten times', async () => {
    const { sendBack, batches } = setup();
    const comment = '\u0001'.repeat(1024);
    const other = { blob: 'x'.repeat(200_000) };
    await expand(requests(10, { other, comment, requestedBy: comment }), 'alert', sendBack);
    const bytes = batches[0]?.map((body) => Buffer.byteLength(body)).reduce((a, b) => a + b);
    expect(bytes).toBeLessThan(largestMessageBytes);
    expect(JSON.parse(batches[0]?.[0] ?? '')).toMatchObject({ fields: ['blob'] });
  });

  test('goes to the lane that it came from', async () => {
    const lanes = new Set<string>();
    await expand(requests(12), 'rotation', async (lane, bodies) => {
      lanes.add(lane);
      return bodies.map(() => taken);
    });
    expect([...lanes]).toEqual(['rotation']);
  });

  test('says so only once every request lies in the queue', async () => {
    const answers: ((answer: readonly Taken[]) => void)[] = [];
    const outcomes: Outcome[] = [];
    const expanding = expand(
      requests(61),
      'alert',
      () => new Promise((tell) => answers.push(tell)),
    );
    void expanding.then((outcome) => outcomes.push(outcome));
    for (let batch = 0; batch < 7; batch++) {
      await turn();
      expect(outcomes).toEqual([]);
      answers[batch]?.(Array.from({ length: batch === 6 ? 1 : 10 }, () => taken));
    }
    expect(await expanding).toMatchObject({ kind: 'expanded' });
  });

  test('is deferred if but one of them was not taken, wherever that was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 130 }), fc.nat(), async (count, at) => {
        const { sendBack } = setup((n) => (n === at % count ? notTaken : taken));
        expect(await expand(requests(count), 'alert', sendBack)).toEqual({
          kind: 'deferred',
          failureKind: 'unavailable',
          cause: `${count} certificates are named, and the alert queue did not take a request for each: InternalError: no`,
        });
      }),
    );
  });

  test('is deferred if the queue tells of fewer than it was given', async () => {
    const short: SendBack = async (_lane, bodies) => bodies.slice(1).map(() => taken);
    expect(await expand(requests(11), 'alert', short)).toEqual({
      kind: 'deferred',
      failureKind: 'unavailable',
      cause:
        '11 certificates are named, and the alert queue did not take a request for each: it did not say whether it took it',
    });
  });

  test('sends no more once something was not taken', async () => {
    const { sendBack, batches } = setup((n) => (n === 3 ? notTaken : taken));
    await expand(requests(1000), 'alert', sendBack);
    expect(batches.length).toBeLessThan(1000 / mostPerBatch);
  });
});

test('a stop ends it between two rounds, and its message comes back for the rest', async () => {
  const stop = new AbortController();
  let sent = 0;
  const outcome = await expandUntil(
    requests(120),
    'alert',
    async (_lane, bodies) => {
      sent += bodies.length;
      stop.abort('SIGTERM');
      return bodies.map(() => ({ done: true }));
    },
    stop.signal,
  );
  expect(sent).toBe(50);
  expect(outcome).toEqual({
    kind: 'deferred',
    failureKind: 'stopping',
    cause: 'stopped when 50 of 120 requests had been sent',
  });
});
