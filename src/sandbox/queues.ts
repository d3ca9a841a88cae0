// The lanes and their dead-letter queue on an SQS server of our own, and a topic on its SNS, on loopback,
// spoken to by any AWS client through its endpoint setting. Messages live in memory, and end with it.

import { buildApp } from 'fauxqs';
import type { Lane } from '../lane.ts';

/** Where the server listens, and what its lanes are like. */
export interface QueuesOptions {
  /** TCP port on 127.0.0.1. Default 0: any free one. */
  readonly port?: number;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** The lanes' visibility timeout, whole seconds. Default 30, as at AWS. */
  readonly visibilitySeconds?: number;
}

/** A running SQS and SNS server with the lanes and the dead-letter queue, all of them empty. */
export interface Queues extends AsyncDisposable {
  /** E.g. `http://127.0.0.1:41234`, for `AWS_ENDPOINT_URL_SQS` and `AWS_ENDPOINT_URL_SNS`. */
  readonly endpoint: string;
  readonly port: number;
  readonly urls: QueueUrls;
  /** The ARN of the topic to which alerts are published: each becomes a message of the alert lane. */
  readonly topicArn: string;
  /** Stops at once, answering those who poll with nothing. */
  readonly stop: () => Promise<void>;
}

/** Queue URLs, all of the account `000000000000`: fauxqs has no other. */
type QueueUrls = Readonly<Record<Lane | 'deadLetter', string>>;

/** Starts a server and makes the queues; rejects when the port is taken. */
export async function startQueues(options: QueuesOptions = {}): Promise<Queues> {
  const { port = 0, region = 'us-east-1', visibilitySeconds = 30 } = options;
  // Not fauxqs's own start: that one listens on every interface.
  const app = buildApp({ logger: false, defaultRegion: region });
  const endpoint = await app.listen({ host: '127.0.0.1', port });
  const stop = async (): Promise<void> => {
    await app.close();
  };
  try {
    const create: CreateQueue = (name, attributes) => createQueue(app, endpoint, name, attributes);
    const urls = await createQueues(create, region, visibilitySeconds);
    const topicArn = await createTopic(app, arnOf('iot-revocation-alert', region));
    const actualPort = Number(new URL(endpoint).port);
    return { endpoint, port: actualPort, urls, topicArn, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Creates a queue, and answers its URL. */
type CreateQueue = (
  name: QueueName,
  attributes: Readonly<Record<string, string>>,
) => Promise<string>;

type QueueName = `iot-revocation-${string}`;

async function createQueues(
  create: CreateQueue,
  region: string,
  visibilitySeconds: number,
): Promise<QueueUrls> {
  const deadLetter = await create('iot-revocation-dead-letter', {});
  const attributes = {
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: arnOf('iot-revocation-dead-letter', region),
      // As deployed: the most that SQS allows. The worker dead-letters what is unusable itself.
      maxReceiveCount: 1000,
    }),
  };
  const [incident, alert, rotation] = await Promise.all([
    create('iot-revocation-incident', attributes),
    create('iot-revocation-alert', attributes),
    create('iot-revocation-rotation', attributes),
  ]);
  return { incident, alert, rotation, deadLetter };
}

function arnOf(queueName: QueueName, region: string): string {
  return `arn:aws:sqs:${region}:000000000000:${queueName}`;
}

/** Creates a topic that the queue is subscribed to, and answers its ARN. */
async function createTopic(app: ReturnType<typeof buildApp>, queueArn: string): Promise<string> {
  const created = await askSns(app, { Action: 'CreateTopic', Name: 'iot-revocation-alerts' });
  const [, topicArn = ''] = /<TopicArn>(.+)<\/TopicArn>/.exec(created) ?? [];
  const subscription = { TopicArn: topicArn, Protocol: 'sqs', Endpoint: queueArn };
  await askSns(app, { Action: 'Subscribe', ...subscription });
  return topicArn;
}

/** By a request (AWS query protocol), for the same reason as below; answers XML. */
async function askSns(
  app: ReturnType<typeof buildApp>,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const response = await app.inject({
    method: 'POST',
    url: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(parameters).toString(),
  });
  if (response.statusCode !== 200) {
    throw new Error(`Cannot ${parameters['Action']}: ${response.body}`);
  }
  return response.body;
}

// By a request (AWS JSON 1.0), since fauxqs keeps its store to itself.
async function createQueue(
  app: ReturnType<typeof buildApp>,
  endpoint: string,
  name: string,
  attributes: Readonly<Record<string, string>>,
): Promise<string> {
  const response = await app.inject({
    method: 'POST',
    url: '/',
    headers: {
      host: new URL(endpoint).host,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'AmazonSQS.CreateQueue',
    },
    payload: JSON.stringify({ QueueName: name, Attributes: attributes }),
  });
  if (response.statusCode !== 200) throw new Error(`Cannot create ${name}: ${response.body}`);
  const { QueueUrl } = response.json<{ readonly QueueUrl: string }>();
  // fauxqs answers with a host that few resolvers know, sqs.<region>.localhost; of the URLs that it
  // is given it looks at the path.
  return new URL(new URL(QueueUrl).pathname, endpoint).href;
}
