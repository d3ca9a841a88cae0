import { describe, expect, test } from 'vitest';
import { timesOf } from '../src/message.ts';

describe('the times of a message', () => {
  test("are SQS's system attributes, as numbers", () => {
    expect(
      timesOf({
        SentTimestamp: '1795262400123',
        ApproximateFirstReceiveTimestamp: '1795262401456',
        ApproximateReceiveCount: '3',
        SenderId: 'AIDA',
      }),
    ).toEqual({ sentAtMs: 1795262400123, firstReceivedAtMs: 1795262401456, receiveCount: 3 });
  });

  test('cover nothing and prove nothing where they are missing', () => {
    const nothing = { sentAtMs: Infinity, firstReceivedAtMs: -Infinity, receiveCount: 1 };
    expect(timesOf({})).toEqual(nothing);
    expect(timesOf({ SentTimestamp: undefined })).toEqual(nothing);
  });

  test.each(['', ' ', '-1', '1.5', '1e3', '0x10', 'NaN', 'Infinity', '12 ', '1234567890123456'])(
    'cover nothing and prove nothing where they are no plain number: %j',
    (text) => {
      expect(
        timesOf({
          SentTimestamp: text,
          ApproximateFirstReceiveTimestamp: text,
          ApproximateReceiveCount: text,
        }),
      ).toEqual({ sentAtMs: Infinity, firstReceivedAtMs: -Infinity, receiveCount: 1 });
    },
  );

  test('can always be shown as dates', () => {
    const { sentAtMs } = timesOf({ SentTimestamp: '999999999999999' });
    expect(() => new Date(sentAtMs).toISOString()).not.toThrow();
  });
});
