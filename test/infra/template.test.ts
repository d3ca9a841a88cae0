// What the deployment promises, read from the CloudFormation template and the artefact that
// `osls package` makes of serverless.yml and infra/. It packages a copy with a dummy bundle.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as ledgerItem from '../../src/aws/ledger-item.ts';
import { readConfig, type Config } from '../../src/config.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const redisUrl = 'rediss://shared.example.com:6379';
const topicArn = 'arn:aws:sns:eu-west-1:111122223333:on-call';
const lanes = ['Incident', 'Alert', 'Rotation'] as const;
type Lane = (typeof lanes)[number];

let folder: string;
let template: Template;
let tuned: Template;
let artefact: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'osls-package-'));
  const [plain, withParameters] = await Promise.all([
    packageCopy(join(folder, 'plain'), []),
    packageCopy(join(folder, 'tuned'), [
      '--stage=prod',
      '--region=eu-west-1',
      '--param=updateCertificateTps=40',
      `--param=alarmTopicArn=${topicArn}`,
      `--param=redisUrl=${redisUrl}`,
    ]),
  ]);
  template = plain.template;
  artefact = plain.artefact;
  tuned = withParameters.template;
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the artefact', () => {
  it('holds the bundle and nothing else', () => {
    expect(artefact).toEqual(['dist/lambda.mjs']);
  });

  it('holds the file that each handler names', () => {
    for (const lane of lanes) {
      expect(artefact).toContain(functionOf(lane).Handler.replace(/\.handler$/, '.mjs'));
    }
  });
});

describe('the template', () => {
  it('holds one function per lane, no versions, no custom resources', () => {
    expect(idsOf('AWS::Lambda::Function')).toHaveLength(lanes.length);
    expect(idsOf('AWS::Lambda::EventSourceMapping')).toHaveLength(lanes.length);
    expect(idsOf('AWS::Lambda::Version')).toEqual([]);
    const types = Object.values(template.Resources).map(({ Type }) => Type);
    expect(types.filter((type) => !type.startsWith('AWS::'))).toEqual([]);
  });

  it('refers to nothing that it does not hold', () => {
    const referred = references(template.Resources).filter((id) => !id.startsWith('AWS::'));
    expect(referred.filter((id) => !(id in template.Resources))).toEqual([]);
  });

  it('refers in no circle', () => {
    const reachable = (id: string, seen = new Set<string>()): ReadonlySet<string> => {
      const resource = template.Resources[id];
      for (const next of [...references(resource), ...[resource?.DependsOn ?? []].flat()]) {
        if (!seen.has(next)) reachable(next, seen.add(next));
      }
      return seen;
    };
    const ids = Object.keys(template.Resources);
    expect(ids.filter((id) => reachable(id).has(id))).toEqual([]);
  });

  it('names the queues after service, stage and lane', () => {
    expect(queueOf('Incident').QueueName).toBe('iot-revocation-worker-dev-incident');
    expect(propertiesOf('AWS::SQS::Queue', 'IncidentQueue', tuned).QueueName).toBe(
      'iot-revocation-worker-prod-incident',
    );
  });

  it('puts out the URL of every queue', () => {
    const values = Object.values(template.Outputs).map(({ Value }) => idOf(Value));
    expect(values).toEqual(expect.arrayContaining(idsOf('AWS::SQS::Queue')));
  });
});

describe.each(lanes)('the %s lane', (lane) => {
  it('runs on Node.js 24, arm64', () => {
    expect(functionOf(lane).Runtime).toBe('nodejs24.x');
    expect(functionOf(lane).Architectures).toEqual(['arm64']);
  });

  it('is read by the function of its own role', () => {
    expect(idOf(mappingOf(lane).FunctionName)).toBe(`Revoke${lane}LambdaFunction`);
    expect(idOf(functionOf(lane).Role)).toBe(`Revoke${lane}Role`);
  });

  it('reports failures by message', () => {
    expect(mappingOf(lane).FunctionResponseTypes).toEqual(['ReportBatchItemFailures']);
  });

  it('has no filter, which would delete what it does not match', () => {
    expect(mappingOf(lane)).not.toHaveProperty('FilterCriteria');
  });

  it('caps the containers at the mapping, not by reserved concurrency', () => {
    expect(mappingOf(lane).ScalingConfig.MaximumConcurrency).toBeGreaterThanOrEqual(2);
    expect(functionOf(lane)).not.toHaveProperty('ReservedConcurrentExecutions');
  });

  it('tells the function how many containers share its quota', () => {
    expect(variable(lane, 'MAXIMUM_CONCURRENCY')).toBe(
      String(mappingOf(lane).ScalingConfig.MaximumConcurrency),
    );
  });

  it('tells the function its account and every queue', () => {
    expect(functionOf(lane).Environment.Variables).toMatchObject({
      INCIDENT_QUEUE_URL: { Ref: 'IncidentQueue' },
      ALERT_QUEUE_URL: { Ref: 'AlertQueue' },
      ROTATION_QUEUE_URL: { Ref: 'RotationQueue' },
      DEAD_LETTER_QUEUE_URL: { Ref: 'DeadLetterQueue' },
      AWS_ACCOUNT_ID: { Ref: 'AWS::AccountId' },
    });
  });

  it('tells the function the ledger’s table', () => {
    expect(variable(lane, 'LEDGER_TABLE')).toEqual({ Ref: 'LedgerTable' });
  });

  it('takes batches that half the timeout is enough for, by the code’s own reckoning', () => {
    const { callsPerSecond } = configOf(lane);
    expect(mappingOf(lane).BatchSize / callsPerSecond).toBeLessThanOrEqual(
      functionOf(lane).Timeout / 2,
    );
  });

  it('lets a lane that is busy alone probe up to the whole quota', () => {
    expect(configOf(lane).mostCallsPerSecond).toBe(10);
  });

  it('leaves time for a call after the code has stopped starting any', () => {
    // invocation.ts stops 7 s before the deadline; an attempt takes 5 s at most, or twice that.
    expect(functionOf(lane).Timeout).toBeGreaterThan(7 + 10);
  });

  it('waits a second for batches above ten, as Lambda requires', () => {
    const { BatchSize, MaximumBatchingWindowInSeconds: window } = mappingOf(lane);
    expect(BatchSize <= 10 || window >= 1).toBe(true);
  });

  it('hides messages for six timeouts and the batching window', () => {
    expect(queueOf(lane).VisibilityTimeout).toBeGreaterThanOrEqual(
      6 * functionOf(lane).Timeout + mappingOf(lane).MaximumBatchingWindowInSeconds,
    );
  });

  it('keeps messages for a shorter time than the dead-letter queue', () => {
    expect(queueOf(lane).MessageRetentionPeriod).toBeLessThan(
      propertiesOf('AWS::SQS::Queue', 'DeadLetterQueue').MessageRetentionPeriod,
    );
  });

  it('sends to the dead-letter queue only after the most receives that SQS allows', () => {
    const redrive = queueOf(lane).RedrivePolicy;
    expect(idOf(redrive?.deadLetterTargetArn)).toBe('DeadLetterQueue');
    expect(redrive?.maxReceiveCount).toBe(1000);
  });

  it('is a source that the dead-letter queue admits', () => {
    const { RedriveAllowPolicy: allow } = propertiesOf('AWS::SQS::Queue', 'DeadLetterQueue');
    expect(allow?.redrivePermission).toBe('byQueue');
    expect(allow?.sourceQueueArns).toContainEqual({
      'Fn::Sub': `arn:\${AWS::Partition}:sqs:\${AWS::Region}:\${AWS::AccountId}:${queueOf(lane).QueueName}`,
    });
  });

  it('grants its function what it needs, and nothing more', () => {
    const { Policies, ...role } = propertiesOf('AWS::IAM::Role', `Revoke${lane}Role`);
    expect(role).not.toHaveProperty('ManagedPolicyArns');
    const certificates = 'arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:cert/*';
    const statements = Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    expect(statements.every(({ Effect }) => Effect === 'Allow')).toBe(true);
    expect(statements.flatMap(grants).toSorted()).toEqual(
      [
        `iot:UpdateCertificate ${certificates}`,
        `iot:DescribeCertificate ${certificates}`,
        `sqs:ReceiveMessage ${lane}Queue`,
        `sqs:DeleteMessage ${lane}Queue`,
        `sqs:ChangeMessageVisibility ${lane}Queue`,
        `sqs:GetQueueAttributes ${lane}Queue`,
        'sqs:SendMessage DeadLetterQueue',
        'sqs:GetQueueAttributes DeadLetterQueue',
        'dynamodb:BatchGetItem LedgerTable',
        'dynamodb:UpdateItem LedgerTable',
        'dynamodb:DescribeTable LedgerTable',
        `logs:CreateLogStream Revoke${lane}LogGroup`,
        `logs:PutLogEvents Revoke${lane}LogGroup`,
      ].toSorted(),
    );
  });

  it('keeps its log for a limited time', () => {
    const { RetentionInDays } = propertiesOf('AWS::Logs::LogGroup', `Revoke${lane}LogGroup`);
    expect(RetentionInDays).toBeGreaterThan(0);
  });

  it('raises the age alarm before a message can expire', () => {
    const { Threshold, ...alarm } = propertiesOf('AWS::CloudWatch::Alarm', `${lane}OldestMessage`);
    expect(references(alarm)).toContain(`${lane}Queue`);
    expect(Threshold).toBeLessThanOrEqual(queueOf(lane).MessageRetentionPeriod / 2);
  });
});

describe('the quota', () => {
  it('is shared out once at most', () => {
    const shares = lanes.map((lane) => shareOf(lane));
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(1 + Number.EPSILON);
  });

  it('gives the more urgent lane the larger share, and the incident lane no wait for a batch', () => {
    const [incident = 0, alert = 0, rotation = 0] = lanes.map((lane) => shareOf(lane));
    expect(incident).toBeGreaterThan(alert);
    expect(alert).toBeGreaterThan(rotation);
    expect(mappingOf('Incident').MaximumBatchingWindowInSeconds).toBe(0);
  });

  it('is told whole to every lane that shares it by Redis, and not divided by containers', () => {
    expect(tuned.Conditions['SharesByRedis']).toEqual(not({ 'Fn::Equals': [redisUrl, ''] }));
    for (const lane of lanes) {
      expect(variable(lane, 'REDIS_URL', tuned)).toEqual({
        'Fn::If': ['SharesByRedis', redisUrl, { Ref: 'AWS::NoValue' }],
      });
      expect(configOf(lane, tuned)).toMatchObject({ redisUrl, callsPerSecond: 40 });
    }
  });

  it('knows no Redis without the parameter', () => {
    expect(template.Conditions['SharesByRedis']).toEqual(not({ 'Fn::Equals': ['', ''] }));
    for (const lane of lanes) expect(configOf(lane)).not.toHaveProperty('redisUrl');
  });

  it('is a parameter', () => {
    expect(variable('Incident', 'UPDATE_CERTIFICATE_TPS')).toBe('10');
    expect(variable('Incident', 'UPDATE_CERTIFICATE_TPS', tuned)).toBe('40');
  });
});

describe('every queue', () => {
  it('is encrypted and long-polled by default', () => {
    const queues = idsOf('AWS::SQS::Queue').map((id) => propertiesOf('AWS::SQS::Queue', id));
    expect(queues).toHaveLength(lanes.length + 1);
    expect(queues.map(({ SqsManagedSseEnabled }) => SqsManagedSseEnabled)).toEqual(
      queues.map(() => true),
    );
    expect(lanes.map((lane) => queueOf(lane).ReceiveMessageWaitTimeSeconds)).toEqual([20, 20, 20]);
  });

  it.each([...lanes, 'DeadLetter'])('refuses plain HTTP: %s', (name) => {
    const policy = propertiesOf('AWS::SQS::QueuePolicy', `${name}QueuePolicy`);
    expect(policy.Queues.map(idOf)).toEqual([`${name}Queue`]);
    expect(policy.PolicyDocument.Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:*',
        Resource: { 'Fn::GetAtt': [`${name}Queue`, 'Arn'] },
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    );
  });

  it('has one policy, for a second would replace the first', () => {
    expect(idsOf('AWS::SQS::QueuePolicy')).toHaveLength(idsOf('AWS::SQS::Queue').length);
  });
});

describe('the ledger', () => {
  const properties = () => propertiesOf('AWS::DynamoDB::Table', 'LedgerTable');

  it('is the one table, with the keys, the index and the time to live that the code goes by', () => {
    const { partitionKey, sortKey, incidentIndex, incidentKey, expiryAttribute } = ledgerItem;
    expect(idsOf('AWS::DynamoDB::Table')).toEqual(['LedgerTable']);
    expect(properties()).toMatchObject({
      AttributeDefinitions: [partitionKey, sortKey, incidentKey].map((AttributeName) => ({
        AttributeName,
        AttributeType: 'S',
      })),
      KeySchema: [
        { AttributeName: partitionKey, KeyType: 'HASH' },
        { AttributeName: sortKey, KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: incidentIndex,
          KeySchema: [
            { AttributeName: incidentKey, KeyType: 'HASH' },
            { AttributeName: partitionKey, KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
      TimeToLiveSpecification: { AttributeName: expiryAttribute, Enabled: true },
    });
  });

  it('is paid by use, can be restored to any moment, and outlives the stack', () => {
    expect(properties()).toMatchObject({
      BillingMode: 'PAY_PER_REQUEST',
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      DeletionProtectionEnabled: true,
    });
    expect(template.Resources['LedgerTable']).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
    });
  });

  it('has no fixed name, which would be taken when a stack is made anew, but one to be read', () => {
    expect(properties()).not.toHaveProperty('TableName');
    expect(template.Outputs['LedgerTableName']?.Value).toEqual({ Ref: 'LedgerTable' });
  });
});

describe('the roles', () => {
  it('are the three of the functions', () => {
    expect(idsOf('AWS::IAM::Role').toSorted()).toEqual(
      lanes.map((lane) => `Revoke${lane}Role`).toSorted(),
    );
    expect(idsOf('AWS::IAM::Policy')).toEqual([]);
    expect(idsOf('AWS::IAM::ManagedPolicy')).toEqual([]);
  });
});

describe('the alarms', () => {
  it('watch the dead-letter queue and every function', () => {
    const alarms = idsOf('AWS::CloudWatch::Alarm').map((id) =>
      propertiesOf('AWS::CloudWatch::Alarm', id),
    );
    const watched = (metric: string) =>
      alarms.filter(({ MetricName }) => MetricName === metric).flatMap(references);
    expect(watched('ApproximateNumberOfMessagesVisible')).toContain('DeadLetterQueue');
    expect(watched('Errors')).toEqual(
      expect.arrayContaining(lanes.map((lane) => `Revoke${lane}LambdaFunction`)),
    );
  });

  it('tell that a function works without the ledger', () => {
    const { Namespace, MetricName } = propertiesOf('AWS::CloudWatch::Alarm', 'LedgerAway');
    const filters = idsOf('AWS::Logs::MetricFilter').map((id) =>
      propertiesOf('AWS::Logs::MetricFilter', id),
    );
    expect(filters.map(({ LogGroupName }) => idOf(LogGroupName)).toSorted()).toEqual(
      lanes.map((lane) => `Revoke${lane}LogGroup`).toSorted(),
    );
    for (const { FilterPattern, MetricTransformations } of filters) {
      expect(FilterPattern).toBe('{ $.event = "ledger-away" }');
      expect(MetricTransformations).toEqual([
        { MetricNamespace: Namespace, MetricName, MetricValue: '1' },
      ]);
    }
  });

  it('keep the stages apart', () => {
    const namespaces = [template, tuned].map(
      (from) => propertiesOf('AWS::CloudWatch::Alarm', 'LedgerAway', from).Namespace,
    );
    expect(namespaces).toEqual(['iot-revocation-worker-dev', 'iot-revocation-worker-prod']);
  });

  it('notify the topic that the parameter names, or nobody', () => {
    const ids = idsOf('AWS::CloudWatch::Alarm');
    const actions = (from: Template) =>
      ids.map((id) => propertiesOf('AWS::CloudWatch::Alarm', id, from).AlarmActions['Fn::If']);
    const nobody = { Ref: 'AWS::NoValue' };
    expect(actions(template)).toEqual(ids.map(() => ['HasAlarmTopic', [''], nobody]));
    expect(template.Conditions['HasAlarmTopic']).toEqual(not({ 'Fn::Equals': ['', ''] }));
    expect(actions(tuned)).toEqual(ids.map(() => ['HasAlarmTopic', [topicArn], nobody]));
    expect(tuned.Conditions['HasAlarmTopic']).toEqual(not({ 'Fn::Equals': [topicArn, ''] }));
  });
});

// Packaging

/**
 * Packages a copy of the service, with files around it that must stay out of the artefact. The
 * environment holds no credentials, and any attempt to connect ends the process with an error.
 */
async function packageCopy(
  service: string,
  args: readonly string[],
): Promise<{ readonly template: Template; readonly artefact: readonly string[] }> {
  const files = {
    'dist/lambda.mjs': 'export const handler = () => ({ batchItemFailures: [] });',
    'dist/cli.mjs': '',
    'src/entry/lambda.ts': '',
    'node_modules/some-package/index.js': '',
    '.env': 'SECRET=1',
    'package.json': '{}',
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(service, path)), { recursive: true });
    await writeFile(join(service, path), content);
  }
  await cp(join(repository, 'serverless.yml'), join(service, 'serverless.yml'));
  await cp(join(repository, 'infra'), join(service, 'infra'), { recursive: true });

  const noNetwork = join(service, '..', 'no-network.mjs');
  await writeFile(
    noNetwork,
    `import dns from 'node:dns';
    import net from 'node:net';
    const refuse = (...args) => {
      process._rawDebug('osls wanted the network:', ...args);
      process.exit(97);
    };
    net.Socket.prototype.connect = refuse;
    dns.lookup = refuse;`,
  );
  const output = join(service, 'packaged');
  await promisify(execFile)(
    execPath,
    [
      join(repository, 'node_modules/osls/bin/serverless.js'),
      'package',
      `--package=${output}`,
      ...args,
    ],
    {
      cwd: service,
      env: { HOME: service, NODE_OPTIONS: `--import=${pathToFileURL(noNetwork).href}` },
    },
  );
  const json = await readFile(join(output, 'cloudformation-template-update-stack.json'), 'utf8');
  return {
    template: JSON.parse(json) as Template,
    artefact: zipEntries(await readFile(join(output, 'iot-revocation-worker.zip'))),
  };
}

/** The names in a zip archive's central directory (APPNOTE.TXT, 4.3.12 and 4.3.16). */
function zipEntries(zip: Buffer): readonly string[] {
  const end = zip.lastIndexOf(Buffer.from('PK\u0005\u0006', 'latin1'));
  const names: string[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [name, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
    const start = at + 46;
    names.push(zip.toString('utf8', start, start + (name ?? 0)));
    at = start + (name ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return names;
}

// Reading the template

interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>>;
  readonly Conditions: Readonly<Record<string, unknown>>;
}
interface Resource {
  readonly Type: string;
  readonly DependsOn?: string | readonly string[];
  readonly Properties: object;
}
interface LambdaFunction {
  readonly Handler: string;
  readonly Runtime: string;
  readonly Architectures: readonly string[];
  readonly Timeout: number;
  readonly Role: unknown;
  readonly Environment: { readonly Variables: Readonly<Record<string, unknown>> };
}
interface EventSourceMapping {
  readonly BatchSize: number;
  readonly MaximumBatchingWindowInSeconds: number;
  readonly FunctionName: unknown;
  readonly FunctionResponseTypes: readonly string[];
  readonly ScalingConfig: { readonly MaximumConcurrency: number };
  readonly EventSourceArn: unknown;
}
interface Queue {
  readonly QueueName: string;
  readonly VisibilityTimeout: number;
  readonly MessageRetentionPeriod: number;
  readonly ReceiveMessageWaitTimeSeconds: number;
  readonly SqsManagedSseEnabled: boolean;
  readonly RedrivePolicy?: {
    readonly deadLetterTargetArn: unknown;
    readonly maxReceiveCount: number;
  };
  readonly RedriveAllowPolicy?: {
    readonly redrivePermission: string;
    readonly sourceQueueArns: readonly unknown[];
  };
}
interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}
interface QueuePolicy {
  readonly Queues: readonly unknown[];
  readonly PolicyDocument: { readonly Statement: readonly Statement[] };
}
interface Role {
  readonly Policies: readonly {
    readonly PolicyDocument: { readonly Statement: readonly Statement[] };
  }[];
}
interface Alarm {
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Threshold: number;
  readonly AlarmActions: { readonly 'Fn::If': unknown };
}

interface MetricFilter {
  readonly LogGroupName: unknown;
  readonly FilterPattern: string;
  readonly MetricTransformations: readonly unknown[];
}

interface Properties {
  readonly 'AWS::Lambda::Function': LambdaFunction;
  readonly 'AWS::Lambda::EventSourceMapping': EventSourceMapping;
  readonly 'AWS::SQS::Queue': Queue;
  readonly 'AWS::SQS::QueuePolicy': QueuePolicy;
  readonly 'AWS::IAM::Role': Role;
  readonly 'AWS::Logs::LogGroup': { readonly RetentionInDays?: number };
  readonly 'AWS::Logs::MetricFilter': MetricFilter;
  readonly 'AWS::CloudWatch::Alarm': Alarm;
  readonly 'AWS::DynamoDB::Table': object;
}

function propertiesOf<T extends keyof Properties>(
  type: T,
  id: string,
  from: Template = template,
): Properties[T] {
  const resource = from.Resources[id];
  if (resource?.Type !== type) throw new Error(`the template holds no ${type} ${id}`);
  return resource.Properties as Properties[T];
}

function idsOf(type: string): string[] {
  return Object.keys(template.Resources).filter((id) => template.Resources[id]?.Type === type);
}

function functionOf(lane: Lane): LambdaFunction {
  return propertiesOf('AWS::Lambda::Function', `Revoke${lane}LambdaFunction`);
}

function queueOf(lane: Lane): Queue {
  return propertiesOf('AWS::SQS::Queue', `${lane}Queue`);
}

function mappingOf(lane: Lane): EventSourceMapping {
  const mapping = idsOf('AWS::Lambda::EventSourceMapping')
    .map((id) => propertiesOf('AWS::Lambda::EventSourceMapping', id))
    .find(({ EventSourceArn }) => idOf(EventSourceArn) === `${lane}Queue`);
  if (mapping === undefined) throw new Error(`no event source mapping reads the ${lane} queue`);
  return mapping;
}

/** What the code makes of the environment that the template gives a lane's function. */
function configOf(lane: Lane, from: Template = template): Config {
  const { Environment } = propertiesOf(
    'AWS::Lambda::Function',
    `Revoke${lane}LambdaFunction`,
    from,
  );
  const environment = Object.entries(Environment.Variables).flatMap(([name, given]) => {
    const value = chosen(given, from);
    if (typeof value === 'string') return [[name, value]];
    const ref = idOf(value) ?? '';
    return ref === 'AWS::NoValue' ? [] : [[name, deployed(ref)]];
  });
  const reading = readConfig(Object.fromEntries(environment), 'eu-west-1');
  if (reading.kind === 'problems') throw new Error(reading.problems.join('; '));
  return reading.config;
}

/** What a reference in an environment may become. */
function deployed(ref: string): string {
  if (ref === 'AWS::AccountId') return '111122223333';
  if (ref === 'LedgerTable') return 'stack-LedgerTable-1ABC2DEF';
  return `https://sqs.eu-west-1.amazonaws.com/111122223333/${ref}`;
}

/** What a `Fn::If` comes to. Its condition is one of ours: that a parameter is not empty. */
function chosen(value: unknown, from: Template): unknown {
  if (typeof value !== 'object' || value === null || !('Fn::If' in value)) return value;
  const [name, then, otherwise] = value['Fn::If'] as readonly [string, unknown, unknown];
  const isEmpty = JSON.stringify(not({ 'Fn::Equals': ['', ''] }));
  return JSON.stringify(from.Conditions[name]) === isEmpty ? otherwise : then;
}

function shareOf(lane: Lane): number {
  return Number(chosen(variable(lane, 'QUOTA_SHARE'), template));
}

function variable(lane: Lane, name: string, from: Template = template): unknown {
  const { Environment } = propertiesOf(
    'AWS::Lambda::Function',
    `Revoke${lane}LambdaFunction`,
    from,
  );
  return Environment.Variables[name];
}

/** The logical id that a `Ref` or a `Fn::GetAtt` points to. */
function idOf(value: unknown): string | undefined {
  return references(value)[0];
}

/** The logical ids and pseudo parameters that a value points to, at any depth. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    if (key === 'Ref') return [String(inner)];
    if (key === 'Fn::GetAtt' && Array.isArray(inner)) return [String(inner[0])];
    return references(inner);
  });
}

/** One line per granted action and resource: the logical id, or the ARN as `Fn::Sub` spells it. */
function grants({ Action, Resource }: Statement): string[] {
  const actions = typeof Action === 'string' ? [Action] : Action;
  const resources: unknown[] = Array.isArray(Resource) ? Resource : [Resource];
  return actions.flatMap((action) =>
    resources.map((resource) => `${action} ${idOf(resource) ?? arnOf(resource)}`),
  );
}

function arnOf(resource: unknown): string {
  if (typeof resource === 'object' && resource !== null && 'Fn::Sub' in resource) {
    return String(resource['Fn::Sub']);
  }
  return String(resource);
}

function not(condition: object): object {
  return { 'Fn::Not': [condition] };
}
