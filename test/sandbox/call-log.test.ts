import { describe, expect, test } from 'vitest';
import { createCallLog } from '../../src/sandbox/call-log.ts';

const received = { operation: 'UpdateCertificate', receivedAtMs: 1, requestId: 'a' } as const;

describe('the call log', () => {
  test('keeps the order of receipt, whatever the order of answers', () => {
    const { receive, calls } = createCallLog();
    const first = receive(received);
    const second = receive({ ...received, requestId: 'b' });
    second({ answer: 'ok', applied: true, answeredAtMs: 2 });
    expect(calls.map(({ requestId, answer }) => [requestId, answer])).toEqual([
      ['a', 'pending'],
      ['b', 'ok'],
    ]);
    first({ answer: 'hang', applied: false });
    expect(calls[0]).toEqual({ ...received, answer: 'hang', applied: false });
  });

  test('wakes who waits, upon receipt and upon an answer', async () => {
    const { receive, waitFor, calls } = createCallLog();
    const receipt = waitFor((calls) => calls.length === 1);
    const answer = waitFor((calls) => calls[0]?.answer === 'ok');
    const settle = receive(received);
    await receipt;
    settle({ answer: 'ok', applied: true, answeredAtMs: 2 });
    await answer;
    expect(calls).toHaveLength(1);
  });

  test('lets nobody wait for what is so already', async () => {
    const looked = createCallLog().waitFor((calls) => calls.length === 0);
    await expect(looked).resolves.toBeUndefined();
  });

  test('fails who waits with a predicate that throws, and nobody else', async () => {
    const { receive, waitFor } = createCallLog();
    const broken = waitFor((calls) => {
      if (calls.length > 0) throw new Error('no such entry');
      return false;
    });
    const sound = waitFor((calls) => calls.length > 0);
    receive(received);
    await expect(broken).rejects.toThrow('no such entry');
    await sound;
  });

  test('rejects who still waits when it closes', async () => {
    const { waitFor, close } = createCallLog();
    const waiting = waitFor(() => false);
    close();
    await expect(waiting).rejects.toThrow('stopped while waiting');
  });
});
