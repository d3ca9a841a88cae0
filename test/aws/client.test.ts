import { describe, expect, test } from 'vitest';
import { within } from '../../src/aws/client.ts';

describe('a call', () => {
  test('that is abandoned ends at once, and its signal is aborted with the reason', async () => {
    const abandon = new AbortController();
    let given: AbortSignal | undefined;
    const hanging = within(60_000, abandon.signal, async (signal) => {
      given = signal;
      return new Promise<never>(() => {});
    });
    abandon.abort('the time is over');
    await expect(hanging).rejects.toBe('the time is over');
    expect(given).toMatchObject({ aborted: true, reason: 'the time is over' });
  });

  test('that was abandoned before it began is aborted from the start', async () => {
    let sawAborted: boolean | undefined;
    const hanging = within(60_000, AbortSignal.abort('too late'), async ({ aborted }) => {
      sawAborted = aborted;
      return new Promise<never>(() => {});
    });
    await expect(hanging).rejects.toBe('too late');
    expect(sawAborted).toBe(true);
  });
});
