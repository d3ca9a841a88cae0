import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSqsClient } from '../../src/aws/queue.ts';
import { createSendBack } from '../../src/aws/send-back.ts';
import type { SendBack } from '../../src/expansion.ts';
import { largestMessageBytes } from '../../src/queue.ts';
import { startQueues, type Queues } from '../../src/sandbox/queues.ts';
import { stubEnvironment } from '../helpers/environment.ts';
import { queueUserOf } from '../helpers/sqs.ts';

async function setup() {
  const queues = await startQueues();
  onTestFinished(() => queues.stop());
  return { queues, user: queueUserOf(queues), sendBack: sendBackTo(queues) };
}

function sendBackTo({ endpoint, urls }: Pick<Queues, 'endpoint' | 'urls'>): SendBack {
  stubEnvironment({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_SQS: endpoint,
  });
  const client = createSqsClient();
  onTestFinished(() => client.destroy());
  const { incident, alert } = urls;
  return createSendBack(client, { incident, alert });
}

/** A queue that answers everything with `body`; counts what it was sent, call by call. */
async function answering(body: object) {
  const calls: number[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { Entries } = JSON.parse(Buffer.concat(chunks).toString()) as { Entries: unknown[] };
      calls.push(Entries.length);
      response.setHeader('content-type', 'application/x-amz-json-1.0');
      response.end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const queueUrl = `${endpoint}/000000000000/alert`;
  const urls = { alert: queueUrl, incident: queueUrl, rotation: queueUrl, deadLetter: queueUrl };
  return { calls, sendBack: sendBackTo({ endpoint, urls }) };
}

const done = { done: true };

describe('what is sent back', () => {
  test('lies in its lane, word for word, and in no other', async () => {
    const { queues, user, sendBack } = await setup();
    const bodies = Array.from({ length: 10 }, (_, n) => JSON.stringify({ n, text: 'ü€ <&"' }));
    expect(await sendBack('alert', bodies)).toEqual(bodies.map(() => done));
    const received = await user.receive(queues.urls.alert);
    expect(received.map(({ Body }) => Body).toSorted()).toEqual(bodies);
    expect(await user.receive(queues.urls.incident)).toEqual([]);
  });

  test('may be nothing, and then nobody is asked', async () => {
    const { calls, sendBack } = await answering({});
    expect(await sendBack('alert', [])).toEqual([]);
    expect(calls).toEqual([]);
  });

  test('may be more than a call takes', async () => {
    const { queues, user, sendBack } = await setup();
    const bodies = Array.from({ length: 23 }, (_, n) => `body ${n}`);
    expect(await sendBack('alert', bodies)).toEqual(bodies.map(() => done));
    expect(await user.receive(queues.urls.alert)).toHaveLength(23);
  });

  test('goes in as many calls as its size needs, counted in bytes', async () => {
    // Half a call each, so that two fit into one call, and three do not.
    const half = 'ü'.repeat(largestMessageBytes / 4);
    const { queues, user, sendBack } = await setup();
    expect(await sendBack('alert', [half, half, half])).toEqual([done, done, done]);
    expect(await user.receive(queues.urls.alert)).toHaveLength(3);
    const { calls, sendBack: counted } = await answering({});
    await counted('alert', [half, half, half, 'x', half]);
    expect(calls).toEqual([2, 2, 1]);
  });
});

describe('what cannot be sent back', () => {
  test('is one that is too large; the others go', async () => {
    const { queues, user, sendBack } = await setup();
    const tooLarge = 'x'.repeat(largestMessageBytes + 1);
    const largest = 'x'.repeat(largestMessageBytes);
    expect(await sendBack('alert', ['a', tooLarge, largest, 'b'])).toEqual([
      done,
      { done: false, final: true, cause: 'it has 1048577 bytes, and SQS takes 1048576' },
      done,
      done,
    ]);
    expect(await user.receive(queues.urls.alert)).toHaveLength(3);
  });

  test('is what belongs into a lane without a queue', async () => {
    const { sendBack } = await setup();
    const nowhere = { done: false, final: true, cause: "nothing names the rotation lane's queue" };
    expect(await sendBack('rotation', ['a', 'b'])).toEqual([nowhere, nowhere]);
  });

  test('is told one by one, where SQS takes a part', async () => {
    const { sendBack } = await answering({
      Successful: [
        { Id: '1', MessageId: 'm', MD5OfMessageBody: '92eb5ffee6ae2fec3ad71c777531578f' },
      ],
      Failed: [{ Id: '2', Code: 'InternalError', Message: 'again', SenderFault: false }],
    });
    expect(await sendBack('alert', ['a', 'b', 'c'])).toEqual([
      { done: false, final: false, cause: 'SQS gave no answer for it' },
      done,
      { done: false, final: false, cause: 'InternalError: again' },
    ]);
  });

  test('is all of it where there is no such queue, or nobody', async () => {
    const { queues, sendBack } = await setup();
    const { endpoint, urls } = queues;
    const missing = sendBackTo({ endpoint, urls: { ...urls, alert: `${urls.alert}-2` } });
    expect(await missing('alert', ['a', 'b'])).toMatchObject([
      { done: false, final: true },
      { done: false, final: true },
    ]);
    await queues.stop();
    expect(await sendBack('alert', ['a'])).toMatchObject([
      { done: false, final: false, cause: expect.stringContaining('ECONNREFUSED') },
    ]);
  });
});
