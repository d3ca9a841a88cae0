import { describe, expect, test } from 'vitest';
import { listedAsArguments } from '../../src/command/certificate-list.ts';
import type { Order } from '../../src/command/order.ts';
import { send, type Producer, type SendPorts } from '../../src/command/send.ts';
import type { Taken } from '../../src/queue.ts';
import { createVirtualClock } from '../helpers/clock.ts';

const queueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/incident';
const done: Taken = { done: true };
const transient: Taken = { done: false, final: false, cause: 'ServiceUnavailable: not\n  now' };
const final: Taken = { done: false, final: true, cause: 'QueueDoesNotExist: no' };

const order: Order = {
  lane: 'incident',
  fields: {
    newStatus: 'REVOKED',
    requestedBy: 'alice',
    reason: undefined,
    incidentId: 'INC-7',
    comment: undefined,
  },
  dryRun: false,
};

const idOf = (n: number): string => String(n).padStart(64, '0');
const idsTo = (n: number): string[] => Array.from({ length: n }, (_, at) => idOf(at + 1));
const certificateIn = (body: string): string =>
  (JSON.parse(body) as { readonly certificateId: string }).certificateId;

/** Sends certificates to a queue that answers as told. */
async function sendTo(
  answer: (certificateId: string, tries: number) => Taken,
  certificates: readonly string[],
  { with: other = {}, order: changed = {} }: { with?: Partial<SendPorts>; order?: object } = {},
): Promise<{
  exitCode: number;
  batches: string[][];
  printed: string[];
  complained: string[];
  closed: boolean;
}> {
  const clock = createVirtualClock();
  const tries = new Map<string, number>();
  const [batches, printed, complained]: [string[][], string[], string[]] = [[], [], []];
  let closed = false;
  const producer: Producer = {
    queueUrl,
    region: async () => 'eu-west-1',
    send: async (bodies) => {
      const ids = bodies.map(certificateIn);
      batches.push(ids);
      return ids.map((id) => {
        tries.set(id, (tries.get(id) ?? 0) + 1);
        return answer(id, tries.get(id) ?? 0);
      });
    },
    [Symbol.dispose]: () => {
      closed = true;
    },
  };
  const work = send({ ...order, ...changed }, listedAsArguments(certificates), {
    environment: { INCIDENT_QUEUE_URL: queueUrl },
    openQueue: () => producer,
    print: (line) => printed.push(line),
    complain: (line) => complained.push(line),
    clock,
    random: () => 0.5,
    interruption: () => new AbortController().signal,
    ...other,
  });
  const exitCode = await clock.run(work);
  return { exitCode, batches, printed, complained, closed };
}

describe('sending', () => {
  test('sends one request for each certificate, ten in a batch, and says so in one line', async () => {
    const sent = await sendTo(() => done, idsTo(40));
    expect(sent.batches.map((batch) => batch.length)).toEqual([10, 10, 10, 10]);
    expect(sent.batches.flat()).toEqual(idsTo(40));
    expect(sent).toMatchObject({
      exitCode: 0,
      printed: ['40 requests sent to the incident lane (incidentId INC-7)'],
      complained: [],
      closed: true,
    });
  });

  test('speaks of one request, and of no incident where there is none', async () => {
    const changed = { fields: { ...order.fields, incidentId: undefined } };
    const { printed } = await sendTo(() => done, [idOf(1)], { order: changed });
    expect(printed).toEqual(['1 request sent to the incident lane']);
  });

  test('sends again, by itself, what failed for the moment', async () => {
    const answer = (id: string, tries: number): Taken =>
      id === idOf(3) && tries < 3 ? transient : done;
    const { exitCode, batches } = await sendTo(answer, idsTo(10));
    expect(batches.slice(1)).toEqual([[idOf(3)], [idOf(3)]]);
    expect(exitCode).toBe(0);
  });

  test('names what could not be sent in the end, by cause, and the rest is sent', async () => {
    const answer = (id: string): Taken => {
      if (id === idOf(2)) return transient;
      return id === idOf(4) || id === idOf(5) ? final : done;
    };
    const { exitCode, printed, complained } = await sendTo(answer, idsTo(6));
    expect(complained).toEqual([
      `3 requests could not be sent to ${queueUrl} (INCIDENT_QUEUE_URL); to send the whole list again does no harm:`,
      '  # ServiceUnavailable: not now',
      `  ${idOf(2)}`,
      '  # QueueDoesNotExist: no',
      `  ${idOf(4)}`,
      `  ${idOf(5)}`,
    ]);
    expect(printed).toEqual([
      '3 requests sent to the incident lane (incidentId INC-7); 3 NOT sent, see above',
    ]);
    expect(exitCode).toBe(1);
  });

  test('gives up when none of a hundred gets through, and names them all', async () => {
    const { exitCode, batches, complained, printed } = await sendTo(() => final, idsTo(205));
    expect(batches.flat()).toEqual(idsTo(100));
    expect(complained.filter((line) => /^ {2}\d{64}$/.test(line))).toHaveLength(205);
    expect(complained).toContain('  # not tried, because none of those before got through');
    expect(printed).toEqual([
      '0 requests sent to the incident lane (incidentId INC-7); 205 NOT sent, see above',
    ]);
    expect(exitCode).toBe(1);
  });

  test('goes on when only some of a hundred get through', async () => {
    const { batches } = await sendTo((id) => (id === idOf(1) ? done : final), idsTo(105));
    expect(batches.flat()).toHaveLength(105);
  });

  test('stops when interrupted, and names what was not sent', async () => {
    const interrupted = new AbortController();
    const answer = (id: string): Taken => {
      if (id === idOf(100)) interrupted.abort();
      return done;
    };
    const { exitCode, batches, complained, printed } = await sendTo(answer, idsTo(102), {
      with: { interruption: () => interrupted.signal },
    });
    expect(batches.flat()).toEqual(idsTo(100));
    expect(complained).toEqual([
      'Stopping; waiting for the answers under way (once more ends at once)',
      expect.stringMatching(/^2 requests could not be sent/),
      '  # not tried, because you interrupted',
      `  ${idOf(101)}`,
      `  ${idOf(102)}`,
    ]);
    expect(printed).toEqual([expect.stringContaining('100 requests sent')]);
    expect(exitCode).toBe(1);
  });

  test('sends a certificate that is listed again once, and says which, up to ten', async () => {
    const certificates = [idOf(1), ...idsTo(12)];
    const once = await sendTo(() => done, certificates);
    expect(once.batches.flat()).toHaveLength(12);
    expect(once.complained).toEqual(['1 duplicate left out: argument 2 (argument 1)']);
    const many = await sendTo(() => done, [...idsTo(12), ...idsTo(12)]);
    expect(many.complained).toEqual([
      expect.stringMatching(
        /^12 duplicates left out: argument 13 .*, argument 22 \(argument 10\) and 2 more$/,
      ),
    ]);
  });
});

describe('nothing is sent', () => {
  test('if any certificate is wrong, or the queue is not named; all that is wrong is told', async () => {
    const sent = await sendTo(() => done, [idOf(1), 'abc', 'def'], { with: { environment: {} } });
    expect(sent).toMatchObject({ exitCode: 1, batches: [], printed: [] });
    expect(sent.complained).toEqual([
      'Nothing was sent, because of 3 problems:',
      expect.stringMatching(/^ {2}INCIDENT_QUEUE_URL: it is not set; /),
      expect.stringMatching(/^ {2}argument 2: /),
      expect.stringMatching(/^ {2}argument 3: /),
    ]);
  });

  test('if nothing names a region', async () => {
    const openQueue = (): Producer => ({
      queueUrl,
      region: async () => undefined,
      send: async () => [],
      [Symbol.dispose]: () => undefined,
    });
    const sent = await sendTo(() => done, [idOf(1)], { with: { openQueue } });
    expect(sent).toMatchObject({ exitCode: 1, printed: [] });
    expect(sent.complained.at(-1)).toMatch(/^ {2}AWS_REGION: it is not set, /);
  });

  test('if an ARN is of another account than AWS_ACCOUNT_ID', async () => {
    const environment = { INCIDENT_QUEUE_URL: queueUrl, AWS_ACCOUNT_ID: '111111111111' };
    const arn = `arn:aws:iot:eu-west-1:123456789012:cert/${idOf(1)}`;
    const sent = await sendTo(() => done, [arn], { with: { environment } });
    expect(sent).toMatchObject({ exitCode: 1, batches: [] });
  });

  test('in a dry run, which prints the bodies and needs no queue', async () => {
    const options = { order: { dryRun: true }, with: { environment: {} } };
    const sent = await sendTo(() => done, idsTo(2), options);
    expect(sent.printed.map(certificateIn)).toEqual(idsTo(2));
    expect(sent).toMatchObject({
      exitCode: 0,
      batches: [],
      complained: [
        'dry run: 2 requests for the incident lane (incidentId INC-7); nothing was sent',
      ],
    });
  });

  test('in a dry run with a queue, either', async () => {
    const sent = await sendTo(() => done, idsTo(2), { order: { dryRun: true } });
    expect(sent).toMatchObject({ exitCode: 0, batches: [], closed: true });
  });

  test('in a dry run of a wrong list, which fails', async () => {
    const sent = await sendTo(() => done, ['abc'], { order: { dryRun: true } });
    expect(sent).toMatchObject({ exitCode: 1, printed: [] });
  });
});
