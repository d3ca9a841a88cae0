// All that the worker needs of AWS, on loopback: the SQS queues and an SNS topic, the IoT control plane
// and the ledger's table, and the environment that points the worker, and any other AWS client, at them.

import { startIot, type IotOptions, type IotSandbox } from './iot.ts';
import { startLedger, type LedgerSandbox } from './ledger.ts';
import { startQueues, type Queues, type QueuesOptions } from './queues.ts';

/** What `startQueues` and `startIot` take, but for the account: the queues have only the default. */
export interface SandboxOptions
  extends Omit<QueuesOptions, 'port'>, Omit<IotOptions, 'port' | 'accountId'> {
  /** TCP port of SQS on 127.0.0.1. Default 0: any free one. */
  readonly queuePort?: number;
  /** TCP port of the IoT control plane on 127.0.0.1. Default 0: any free one. */
  readonly iotPort?: number;
  /** TCP port of DynamoDB on 127.0.0.1. Default 0: any free one. */
  readonly ledgerPort?: number;
}

/** A running sandbox. */
export interface Sandbox extends AsyncDisposable {
  readonly queues: Queues;
  /** The topic to which alerts are published, on the SNS at `snsEndpoint`. */
  readonly topicArn: string;
  readonly snsEndpoint: string;
  readonly iot: IotSandbox;
  readonly ledger: LedgerSandbox;
  /** Environment variables for the worker and for AWS clients, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** Stops the servers at once. */
  readonly stop: () => Promise<void>;
}

/** Starts the servers, or none: rejects with the first failure, e.g. of a port that is taken. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { queuePort = 0, iotPort = 0, ledgerPort = 0, visibilitySeconds = 30, ...common } = options;
  const { region = 'us-east-1' } = common;
  await using started = new AsyncDisposableStack();
  const queues = started.use(await startQueues({ port: queuePort, region, visibilitySeconds }));
  const iot = started.use(await startIot({ ...common, port: iotPort }));
  const ledger = started.use(await startLedger({ port: ledgerPort }));
  const running = started.move(); // all are up: ending this function no longer stops them
  const stop = (): Promise<void> => running.disposeAsync();
  return {
    queues,
    topicArn: queues.topicArn,
    snsEndpoint: queues.endpoint,
    iot,
    ledger,
    environment: environmentOf(queues, iot, ledger),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function environmentOf(
  queues: Queues,
  iot: IotSandbox,
  ledger: LedgerSandbox,
): Readonly<Record<string, string>> {
  return {
    AWS_REGION: iot.region,
    AWS_DEFAULT_REGION: iot.region, // the only one that boto3 and version 1 of the AWS CLI read
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    AWS_ENDPOINT_URL_SNS: queues.endpoint,
    AWS_ENDPOINT_URL_IOT: iot.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: ledger.endpoint,
    AWS_ACCOUNT_ID: iot.accountId,
    INCIDENT_QUEUE_URL: queues.urls.incident,
    ALERT_QUEUE_URL: queues.urls.alert,
    ROTATION_QUEUE_URL: queues.urls.rotation,
    DEAD_LETTER_QUEUE_URL: queues.urls.deadLetter,
    ALERT_TOPIC_ARN: queues.topicArn,
    LEDGER_TABLE: ledger.table,
  };
}
