import { runInThisContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { IoTClient } from '@aws-sdk/client-iot';
import { SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, test } from 'vitest';
import { within, withCompactConfig } from '../../src/aws/client.ts';

setFlagsFromString('--allow-natives-syntax');
/** Whether V8 keeps an object's properties in a row, not in a hash table. */
const isCompact = runInThisContext('(object) => %HasFastProperties(object)') as (
  object: object,
) => boolean;

describe('a client’s configuration', () => {
  test.each([
    ['IoT', () => new IoTClient({ region: 'us-east-1' })],
    ['SQS', () => new SQSClient({ region: 'us-east-1' })],
  ])('of %s is laid out anew, with all that it held', (_service, create) => {
    const client = create();
    const before = Object.getOwnPropertyDescriptors(client.config);
    expect(isCompact(client.config)).toBe(false); // else there is nothing to gain any more
    expect(withCompactConfig(client)).toBe(client);
    expect(isCompact(client.config)).toBe(true);
    expect(Object.getOwnPropertyDescriptors(client.config)).toEqual(before);
  });

  test('takes in what the SDK learns later', async () => {
    const { config } = withCompactConfig(new IoTClient({ region: 'us-east-1' }));
    config.systemClockOffset = 7;
    expect({ ...config }).toMatchObject({ systemClockOffset: 7 });
  });
});

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
