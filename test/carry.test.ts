import { describe, expect, test } from 'vitest';
import { carryOut, createCarrier } from '../src/carry.ts';
import type { Acknowledgement } from '../src/acknowledgement.ts';
import type { Message } from '../src/message.ts';
import type { Taken } from '../src/queue.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { messageOf } from './helpers/message.ts';
import { createFakeQueues, done, lost, refused, type Told } from './helpers/queue.ts';

const deadLetter: Acknowledgement = {
  kind: 'dead-letter',
  failureKind: 'malformed-body',
  reason: 'body: it is not JSON',
};

function setup(answer?: (told: Told) => Taken) {
  const clock = createVirtualClock();
  const hurry = new AbortController();
  const queues = createFakeQueues(answer);
  const carrier = createCarrier(queues.lane, {
    deadLetters: queues.deadLetters,
    clock,
    random: () => 0.5,
    hurry: hurry.signal,
  });
  const carry = async (told: Acknowledgement, fields: Partial<Message> = {}): Promise<unknown> =>
    clock.run(carryOut(carrier, messageOf({ receiptHandle: 'r1', ...fields }), told));
  return { ...queues, clock, hurry, carry, carrier };
}

describe('a delete', () => {
  test('is sent, and its answer looked at', async () => {
    const { carry, told } = setup();
    expect(await carry({ kind: 'delete' })).toEqual({ done: true });
    expect(told).toEqual(['delete r1']);
  });

  test('that fails for good says why', async () => {
    const { carry, told } = setup(() => refused);
    expect(await carry({ kind: 'delete' })).toEqual({
      done: false,
      cause: 'delete: InvalidParameterValue: no',
    });
    expect(told).toEqual(['delete r1']);
  });

  test('that fails is tried again', async () => {
    let failures = 2;
    const { carry, told } = setup(() => (failures-- > 0 ? lost : done));
    expect(await carry({ kind: 'delete' })).toEqual({ done: true });
    expect(told).toEqual(['delete r1', 'delete r1', 'delete r1']);
  });
});

describe('a retry', () => {
  test('hides the message for as long as it says', async () => {
    const { carry, told } = setup();
    expect(await carry({ kind: 'retry', afterSeconds: 17 })).toEqual({ done: true });
    expect(told).toEqual(['hide r1 17']);
  });

  test('at once makes it visible', async () => {
    const { carry, told } = setup();
    await carry({ kind: 'retry', afterSeconds: 0 });
    expect(told).toEqual(['hide r1 0']);
  });

  test('that fails says why', async () => {
    const { carry } = setup(() => lost);
    expect(await carry({ kind: 'retry', afterSeconds: 0 })).toEqual({
      done: false,
      cause: 'visibility: InternalError: lost',
    });
  });
});

describe('a dead letter', () => {
  test('is sent first; then the message is deleted', async () => {
    const { carry, told } = setup();
    expect(await carry(deadLetter, { body: 'garbage' })).toEqual({ done: true });
    expect(told).toEqual(['letter garbage', 'delete r1']);
  });

  test('keeps the body as it came', async () => {
    const { carry, letters } = setup();
    const body = '\uFEFF{"a":1,\r\n "a":2}\u2028\t';
    await carry(deadLetter, { body });
    expect(letters.map((letter) => letter.body)).toEqual([body]);
  });

  test('that could not be sent leaves the message where it is, for another minute', async () => {
    const { carry, told } = setup((what) => (what.startsWith('letter') ? lost : done));
    expect(await carry(deadLetter, { body: 'garbage' })).toEqual({
      done: false,
      cause: 'dead-letter queue: InternalError: lost',
    });
    expect(told).toEqual([...Array.from({ length: 4 }, () => 'letter garbage'), 'hide r1 60']);
  });

  test('that SQS refuses for good goes with less and less beside it', async () => {
    const attributes = { 'AWS.own': { dataType: 'String', stringValue: 'x' } };
    const { carry, told, letters } = setup((what) =>
      what.startsWith('letter') && letters.length < 4 ? refused : done,
    );
    expect(await carry(deadLetter, { attributes })).toEqual({ done: true });
    expect(letters.map((letter) => Object.keys(letter.attributes).length)).toEqual([5, 4, 4, 0]);
    expect(told.at(-1)).toBe('delete r1');
  });

  test('that nothing makes acceptable leaves the message where it is', async () => {
    const { carry, told } = setup((what) => (what.startsWith('letter') ? refused : done));
    expect(await carry(deadLetter)).toMatchObject({ done: false });
    expect(told.filter((what) => what.startsWith('delete'))).toEqual([]);
  });

  test('that is larger than SQS takes is not sent at all, and stays', async () => {
    const { carry, told } = setup();
    expect(await carry(deadLetter, { body: 'x'.repeat(1_048_577) })).toEqual({
      done: false,
      cause: 'dead-letter queue: it is larger than SQS takes',
    });
    expect(told).toEqual(['hide r1 60']);
  });

  test('that was sent, while the delete failed, says that the message comes back', async () => {
    const { carry } = setup((what) => (what.startsWith('delete') ? refused : done));
    expect(await carry(deadLetter)).toEqual({
      done: false,
      cause: 'delete: InvalidParameterValue: no',
    });
  });

  test('does not wait out its backoff in a hurry', async () => {
    let failures = 1;
    const { carry, clock, hurry } = setup(() => (failures-- > 0 ? lost : done));
    hurry.abort();
    expect(await carry(deadLetter)).toEqual({ done: true });
    expect(clock.now()).toBe(0);
  });
});

test('deletes and delays of many messages go in batches of ten', async () => {
  const { carrier, clock, told } = setup();
  const deletes = Array.from({ length: 25 }, (_, n) =>
    carrier.delete(messageOf({ receiptHandle: `r${n}` })),
  );
  expect(await clock.run(Promise.all(deletes))).toEqual(deletes.map(() => ({ done: true })));
  expect(told).toHaveLength(25);
  expect(clock.now()).toBe(100);
});
