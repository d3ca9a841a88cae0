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
import { readPolicy } from '../../src/policy-file.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { read } from '../../src/reading.ts';
import { windowMs } from '../../src/window.ts';
import { alertBody, alertNames, findingBody } from '../helpers/alerts.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const redisUrl = 'rediss://shared.example.com:6379';
const topicArn = 'arn:aws:sns:eu-west-1:111122223333:on-call';
const deviceDefenderTopic = 'arn:aws:sns:eu-west-1:111122223333:device-defender';
const customAction = 'arn:aws:securityhub:eu-west-1:111122223333:action/custom/takeout';
const lanes = ['Incident', 'Alert', 'Rotation'] as const;
type Lane = (typeof lanes)[number];

let folder: string;
/** Without a parameter. */
let template: Template;
/** With all of them. */
let tuned: Template;
/** With a custom action of which nothing else is said. */
let approving: Template;
/** What osls says to parameters that are misspelt. */
let refusal: string;
let artefact: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'osls-package-'));
  const [plain, withParameters, withCustomAction, misspelt] = await Promise.all([
    packageCopy(join(folder, 'plain'), []),
    packageCopy(join(folder, 'tuned'), [
      '--stage=prod',
      '--region=eu-west-1',
      '--param=updateCertificateTps=40',
      `--param=alarmTopicArn=${topicArn}`,
      `--param=redisUrl=${redisUrl}`,
      `--param=deviceDefenderTopicArn=${deviceDefenderTopic}`,
      '--param=securityHubImported=true',
      `--param=securityHubCustomActionArn=${customAction}`,
      '--param=securityHubCustomActionLane=incident',
      '--param=dryRun=alert,rotation',
      '--param=incidentCeilingPerHour=1000',
      '--param=alertCeilingPerHour=7',
      '--param=rotationCeilingPerHour=unlimited',
    ]),
    packageCopy(join(folder, 'approving'), [`--param=securityHubCustomActionArn=${customAction}`]),
    packageCopy(join(folder, 'misspelt'), [
      '--param=securityHubImported=yes',
      '--param=securityHubCustomActionLane=rotation',
    ]).then(
      () => 'packaged',
      ({ stdout }: { readonly stdout: string }) => stdout,
    ),
  ]);
  template = plain.template;
  artefact = plain.artefact;
  tuned = withParameters.template;
  approving = withCustomAction.template;
  refusal = misspelt;
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the artefact', () => {
  it('holds the bundle, the policy and nothing else', () => {
    expect(artefact).toEqual(['dist/lambda.mjs', 'infra/policy.json']);
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
    for (const { Resources, Outputs } of [template, approving, tuned]) {
      const referred = references([Resources, Outputs]).filter((id) => !id.startsWith('AWS::'));
      expect(referred.filter((id) => !(id in Resources))).toEqual([]);
    }
  });

  it('refers in no circle', () => {
    const { Resources } = tuned;
    const reachable = (id: string, seen = new Set<string>()): ReadonlySet<string> => {
      const resource = Resources[id];
      for (const next of [...references(resource), ...[resource?.DependsOn ?? []].flat()]) {
        if (!seen.has(next)) reachable(next, seen.add(next));
      }
      return seen;
    };
    expect(Object.keys(Resources).filter((id) => reachable(id).has(id))).toEqual([]);
  });

  it('names the queues after service, stage and lane', () => {
    expect(queueOf('Incident').QueueName).toBe('iot-revocation-worker-dev-incident');
    expect(propertiesOf('AWS::SQS::Queue', 'IncidentQueue', tuned).QueueName).toBe(
      'iot-revocation-worker-prod-incident',
    );
  });

  it('puts out the URL of every queue', () => {
    for (const from of [template, tuned]) {
      const values = Object.values(from.Outputs).map(({ Value }) => idOf(Value));
      expect(values).toEqual(expect.arrayContaining(idsOf('AWS::SQS::Queue', from)));
    }
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

  it.each([
    ['without a source of alerts', () => template, lane === 'Alert'],
    ['with a custom action for the incident lane', () => tuned, lane !== 'Rotation'],
  ])('grants its function what it needs, and nothing more: %s', (_, from, takesAlerts) => {
    const { Policies, ...role } = propertiesOf('AWS::IAM::Role', `Revoke${lane}Role`, from());
    expect(role).not.toHaveProperty('ManagedPolicyArns');
    const certificates = 'arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:cert/*';
    const statements = Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    expect(statements.every(({ Effect }) => Effect === 'Allow')).toBe(true);
    expect(statements.flatMap(grants).toSorted()).toEqual(
      [
        'iot:ListThingPrincipals *',
        'iot:ListPrincipalThings *',
        ...(takesAlerts ? ['iot:ListAuditFindings *'] : []),
        `iot:UpdateCertificate ${certificates}`,
        `iot:DescribeCertificate ${certificates}`,
        `sqs:ReceiveMessage ${lane}Queue`,
        `sqs:DeleteMessage ${lane}Queue`,
        `sqs:ChangeMessageVisibility ${lane}Queue`,
        `sqs:GetQueueAttributes ${lane}Queue`,
        `sqs:SendMessage ${lane}Queue`,
        'sqs:SendMessage DeadLetterQueue',
        'sqs:GetQueueAttributes DeadLetterQueue',
        'dynamodb:BatchGetItem LedgerTable',
        'dynamodb:UpdateItem LedgerTable',
        'dynamodb:DescribeTable LedgerTable',
        'dynamodb:GetItem LedgerTable',
        'dynamodb:PutItem LedgerTable',
        `logs:CreateLogStream Revoke${lane}LogGroup`,
        `logs:PutLogEvents Revoke${lane}LogGroup`,
      ].toSorted(),
    );
  });

  it('lets its function replace whole items where the brake’s windows are, and nowhere else', () => {
    const { Policies } = propertiesOf('AWS::IAM::Role', `Revoke${lane}Role`);
    const statements = Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    const placeholders = { accountId: '${AWS::AccountId}', region: '${AWS::Region}' };
    expect(
      statements.filter(({ Action }) => [Action].flat().includes('dynamodb:PutItem')),
    ).toMatchObject([
      {
        Condition: {
          'ForAllValues:StringEquals': {
            'dynamodb:LeadingKeys': [
              { 'Fn::Sub': ledgerItem.certificateKeyOf(placeholders, 'brake') },
            ],
          },
        },
      },
    ]);
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
    for (const lane of lanes) {
      expect(configOf(lane, tuned)).toMatchObject({ redisUrl, callsPerSecond: 40 });
    }
  });

  it('knows no Redis without the parameter', () => {
    for (const lane of lanes) expect(variable(lane, 'REDIS_URL')).toBeUndefined();
  });

  it('is a parameter', () => {
    expect(variable('Incident', 'UPDATE_CERTIFICATE_TPS')).toBe('10');
    expect(variable('Incident', 'UPDATE_CERTIFICATE_TPS', tuned)).toBe('40');
  });
});

describe('every queue', () => {
  it('is encrypted and long-polled by default', () => {
    const queues = idsOf('AWS::SQS::Queue', tuned).map((id) =>
      propertiesOf('AWS::SQS::Queue', id, tuned),
    );
    expect(queues).toHaveLength(lanes.length + 2);
    expect(queues.map(({ SqsManagedSseEnabled }) => SqsManagedSseEnabled)).toEqual(
      queues.map(() => true),
    );
    expect(lanes.map((lane) => queueOf(lane).ReceiveMessageWaitTimeSeconds)).toEqual([20, 20, 20]);
  });

  it.each([...lanes, 'DeadLetter', 'Undelivered'])('refuses plain HTTP: %s', (name) => {
    const policy = propertiesOf('AWS::SQS::QueuePolicy', `${name}QueuePolicy`, tuned);
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
    for (const from of [template, tuned]) {
      expect(idsOf('AWS::SQS::QueuePolicy', from)).toHaveLength(
        idsOf('AWS::SQS::Queue', from).length,
      );
    }
  });
});

describe('the sources of alerts', () => {
  const rule = (name: string) => `rule/iot-revocation-worker-prod-${name}`;
  const fromTopic = [
    'sns.amazonaws.com',
    {
      ArnEquals: { 'aws:SourceArn': deviceDefenderTopic },
      ArnLike: { 'aws:SourceArn': { 'Fn::Sub': ownArn('sns', '*') } },
    },
  ];
  const fromRule = (name: string) => [
    'events.amazonaws.com',
    {
      ArnEquals: { 'aws:SourceArn': { 'Fn::Sub': ownArn('events', rule(name)) } },
      StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
    },
  ];

  /** Who may send to a queue as a service, and on what condition. */
  function admitted(name: string, from: Template): readonly unknown[] {
    const { PolicyDocument } = propertiesOf('AWS::SQS::QueuePolicy', `${name}QueuePolicy`, from);
    return PolicyDocument.Statement.filter(({ Effect }) => Effect === 'Allow').map((statement) => {
      expect(grants(statement)).toEqual([`sqs:SendMessage ${name}Queue`]);
      return [statement.Principal?.Service, statement.Condition];
    });
  }

  it('are none without parameters, and nobody is admitted', () => {
    expect(idsOf('AWS::SNS::Subscription')).toEqual([]);
    expect(idsOf('AWS::Events::Rule')).toEqual([]);
    expect(Object.keys(template.Resources).filter((id) => id.includes('ndelivered'))).toEqual([]);
    for (const name of [...lanes, 'DeadLetter']) expect(admitted(name, template)).toEqual([]);
  });

  it('are admitted to the lane’s queue one by one, of this account only', () => {
    expect(admitted('Alert', tuned)).toEqual([fromTopic, fromRule('findings')]);
    expect(admitted('Incident', tuned)).toEqual([fromRule('custom-action')]);
    expect(admitted('Rotation', tuned)).toEqual([]);
    expect(admitted('DeadLetter', tuned)).toEqual([]);
  });

  it('leave what they could not deliver in a queue of its own, which is watched', () => {
    expect(admitted('Undelivered', tuned)).toEqual([
      fromTopic,
      fromRule('findings'),
      fromRule('custom-action'),
    ]);
    const undelivered = { 'Fn::GetAtt': ['UndeliveredQueue', 'Arn'] };
    for (const id of idsOf('AWS::Events::Rule', tuned)) {
      expect(propertiesOf('AWS::Events::Rule', id, tuned).Targets).toMatchObject([
        {
          DeadLetterConfig: { Arn: undelivered },
          RetryPolicy: { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 },
        },
      ]);
    }
    expect(
      propertiesOf('AWS::SNS::Subscription', 'DeviceDefenderSubscription', tuned).RedrivePolicy,
    ).toEqual({ deadLetterTargetArn: undelivered });
    expect(
      references(propertiesOf('AWS::CloudWatch::Alarm', 'AlertsUndelivered', tuned)),
    ).toContain('UndeliveredQueue');
  });

  it('are made after the policies that admit them, under the names that these go by', () => {
    const ids = [...idsOf('AWS::SNS::Subscription', tuned), ...idsOf('AWS::Events::Rule', tuned)];
    expect(ids).toHaveLength(3);
    for (const id of ids) {
      const { DependsOn, Properties } = tuned.Resources[id] ?? {};
      const queues = references(Properties).filter((to) => to.endsWith('Queue'));
      expect(DependsOn).toEqual(expect.arrayContaining(queues.map((queue) => `${queue}Policy`)));
    }
    expect(
      ['SecurityHubImportedRule', 'SecurityHubCustomActionRule'].map(
        (id) => `rule/${propertiesOf('AWS::Events::Rule', id, tuned).Name}`,
      ),
    ).toEqual([rule('findings'), rule('custom-action')]);
  });

  it('keep the SNS envelope, whose TopicArn tells the account', () => {
    expect(
      propertiesOf('AWS::SNS::Subscription', 'DeviceDefenderSubscription', tuned),
    ).toMatchObject({
      TopicArn: deviceDefenderTopic,
      Protocol: 'sqs',
      Endpoint: { 'Fn::GetAtt': ['AlertQueue', 'Arn'] },
      RawMessageDelivery: false,
    });
  });

  it('send a custom action to the alert lane, or to the incident lane on request', () => {
    const lane = (from: Template) => {
      const { EventPattern, Targets } = propertiesOf(
        'AWS::Events::Rule',
        'SecurityHubCustomActionRule',
        from,
      );
      expect(EventPattern).toEqual({
        source: ['aws.securityhub'],
        'detail-type': ['Security Hub Findings - Custom Action'],
        resources: [customAction],
      });
      return Targets.map(({ Arn }) => idOf(Arn));
    };
    expect(lane(tuned)).toEqual(['IncidentQueue']);
    expect(lane(approving)).toEqual(['AlertQueue']);
    expect(admitted('Alert', approving)).toHaveLength(1);
    expect(admitted('Incident', approving)).toEqual([]);
  });

  it('end the packaging where a parameter is misspelt, instead of being absent', () => {
    expect(refusal).toContain('ImportsSecurityHub');
    expect(refusal).toContain('SecurityHubCustomActionRule');
  });
});

describe('the rule for imported findings', () => {
  /** As EventBridge would, for what the rule's pattern uses of its language. */
  function letsThrough(pattern: unknown, value: unknown): boolean {
    if (Array.isArray(value)) return value.some((one) => letsThrough(pattern, one));
    if (Array.isArray(pattern)) {
      return pattern.some((one: string | { readonly suffix: string }) =>
        typeof one === 'string' ? value === one : String(value).endsWith(one.suffix),
      );
    }
    return Object.entries(pattern as object).every(([key, inner]) =>
      letsThrough(inner, (value as Readonly<Record<string, unknown>> | undefined)?.[key]),
    );
  }

  /** Whether it lets a body through that this account and region send. */
  function passes(body: string): boolean {
    const rule = propertiesOf('AWS::Events::Rule', 'SecurityHubImportedRule', tuned);
    const pattern = JSON.stringify(rule.EventPattern)
      .replaceAll('{"Ref":"AWS::AccountId"}', '"123456789012"')
      .replaceAll('{"Ref":"AWS::Region"}', '"eu-central-1"');
    return letsThrough(JSON.parse(pattern), JSON.parse(body));
  }

  const deployment = { accountId: '123456789012', region: 'eu-central-1' };
  const imported = alertNames.filter((name) => /^security-hub-(audit|detect)/.test(name));

  it.each(imported)('lets %s through if anything is to be done about it', (name) => {
    const body = alertBody(name);
    if (read(body, 'alert', deployment).kind === 'intents') expect(passes(body)).toBe(true);
    else expect(read(body, 'alert', deployment).kind).toBe('ignored');
  });

  it.each([
    ['archived', { RecordState: 'ARCHIVED' }],
    ['resolved', { Workflow: { Status: 'RESOLVED' } }],
    ['suppressed', { Workflow: { Status: 'SUPPRESSED' } }],
    ['another account’s', { AwsAccountId: '999999999999' }],
    ['another region’s', { Region: 'us-east-1' }],
    ['another product’s', { ProductArn: 'arn:aws:securityhub:eu-central-1::product/aws/macie' }],
  ])('keeps out what is %s', (_, fields) => {
    expect(passes(findingBody('security-hub-detect', {}))).toBe(true);
    expect(passes(findingBody('security-hub-detect', fields))).toBe(false);
  });

  it('keeps out custom actions, which have a rule of their own', () => {
    expect(passes(alertBody('security-hub-custom-action'))).toBe(false);
  });
});

describe('the settings of alerts', () => {
  it.each(lanes)('are the code’s own, unless a parameter is given: %s', (lane) => {
    expect(configOf(lane).dryRun).toEqual(new Set());
    expect(configOf(lane).ceilings).toEqual(readConfigOf({}).ceilings);
    for (const name of ['DRY_RUN', 'INCIDENT', 'ALERT', 'ROTATION']) {
      const full = name === 'DRY_RUN' ? name : `${name}_CEILING_PER_HOUR`;
      expect(variable(lane, full)).toBeUndefined();
    }
    expect(configOf(lane, tuned).dryRun).toEqual(new Set(['alert', 'rotation']));
    expect(configOf(lane, tuned).ceilings).toEqual({ incident: 1000, alert: 7 });
  });

  it('may be changed as the page about alerts shows', async () => {
    const page = await readFile(join(repository, 'infra/ALERTS.md'), 'utf8');
    const [, example = ''] = /```json\n(.*?)```/s.exec(page) ?? [];
    const text = example.replace('<64 hexadecimal characters>', 'c0'.repeat(32));
    expect(readPolicy(JSON.parse(text))).toMatchObject({
      kind: 'policy',
      policy: { strongest: { rotation: 'INACTIVE' }, mostThings: { alert: 3 } },
    });
  });

  it('name a policy that lies in the artefact, and is the default until somebody changes it', async () => {
    const { policyFile = '' } = configOf('Alert');
    expect(artefact).toContain(policyFile);
    const text = await readFile(join(repository, policyFile), 'utf8');
    expect(readPolicy(JSON.parse(text))).toEqual({ kind: 'policy', policy: defaultPolicy });
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
    expect(countedEvents(Namespace, MetricName)).toEqual(
      lanes.map((lane) => [`Revoke${lane}LogGroup`, '{ $.event = "ledger-away" }']),
    );
  });

  it.each(lanes)('tell that a lane is held, for as long as it is told once an hour: %s', (lane) => {
    const alarm = propertiesOf('AWS::CloudWatch::Alarm', `${lane}Held`);
    const { Namespace, MetricName, Period = 0, EvaluationPeriods = 0, DatapointsToAlarm } = alarm;
    expect(countedEvents(Namespace, MetricName)).toEqual([
      [`Revoke${lane}LogGroup`, '{ $.event = "brake" }'],
    ]);
    expect(DatapointsToAlarm).toBe(1);
    expect(Period * EvaluationPeriods).toBeGreaterThan(windowMs / 1000);
  });

  it('tell that a function cannot ask what others have let go', () => {
    const { Namespace, MetricName } = propertiesOf('AWS::CloudWatch::Alarm', 'BrakeAway');
    expect(countedEvents(Namespace, MetricName)).toEqual(
      lanes.map((lane) => [`Revoke${lane}LogGroup`, '{ $.event = "brake-away" }']),
    );
  });

  it('keep the stages apart', () => {
    const namespaces = [template, tuned].map(
      (from) => propertiesOf('AWS::CloudWatch::Alarm', 'LedgerAway', from).Namespace,
    );
    expect(namespaces).toEqual(['iot-revocation-worker-dev', 'iot-revocation-worker-prod']);
  });

  it('notify the topic that the parameter names, or nobody', () => {
    const actions = (from: Template) => {
      const ids = idsOf('AWS::CloudWatch::Alarm', from);
      return ids.map((id) => propertiesOf('AWS::CloudWatch::Alarm', id, from).AlarmActions);
    };
    expect(new Set(actions(template))).toEqual(new Set([undefined]));
    expect(new Set(actions(tuned).map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify([topicArn])]),
    );
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
    template: inEffect(JSON.parse(json) as Packaged),
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

/** The template as CloudFormation reads it: what its conditions leave out is gone. */
function inEffect({ Resources, Outputs, Conditions }: Packaged): Template {
  type Operands = readonly unknown[];

  function holds(condition: unknown): boolean {
    const [[kind, value] = []] = Object.entries(condition as object) as [string, Operands][];
    if (kind === 'Condition') return holds(Conditions[String(value)]);
    if (value === undefined) throw new Error('there is no such condition');
    if (kind === 'Fn::Equals') return value[0] === value[1];
    if (kind === 'Fn::Not') return !holds(value[0]);
    if (kind === 'Fn::And') return value.every(holds);
    if (kind === 'Fn::Or') return value.some(holds);
    throw new Error(`a condition of another kind: ${kind}`);
  }

  function resolved(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if ('Fn::If' in value) {
      const [name, then, otherwise] = value['Fn::If'] as Operands;
      return resolved(holds({ Condition: name }) ? then : otherwise);
    }
    if (Array.isArray(value)) return value.map(resolved).filter(isValue);
    const entries = Object.entries(value).map(([key, inner]) => [key, resolved(inner)] as const);
    return Object.fromEntries(entries.filter(([, inner]) => isValue(inner)));
  }

  const isValue = (value: unknown): boolean => JSON.stringify(value) !== '{"Ref":"AWS::NoValue"}';

  const kept = (all: Readonly<Record<string, { readonly Condition?: string }>>): unknown =>
    resolved(
      Object.fromEntries(
        Object.entries(all).filter(
          ([, { Condition }]) => Condition === undefined || holds({ Condition }),
        ),
      ),
    );

  return { Resources: kept(Resources), Outputs: kept(Outputs) } as Template;
}

// Reading the template

interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, Output>>;
}
interface Packaged extends Template {
  readonly Conditions: Readonly<Record<string, unknown>>;
}
interface Output {
  readonly Condition?: string;
  readonly Value: unknown;
}
interface Resource {
  readonly Type: string;
  readonly Condition?: string;
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
  readonly Principal?: { readonly Service?: string };
  readonly Condition?: unknown;
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
  readonly Period?: number;
  readonly EvaluationPeriods?: number;
  readonly DatapointsToAlarm?: number;
  readonly AlarmActions?: readonly unknown[];
}

interface MetricFilter {
  readonly LogGroupName: unknown;
  readonly FilterPattern: string;
  readonly MetricTransformations: readonly unknown[];
}

interface Subscription {
  readonly RedrivePolicy: unknown;
}
interface EventsRule {
  readonly Name: string;
  readonly EventPattern: unknown;
  readonly Targets: readonly { readonly Arn: unknown }[];
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
  readonly 'AWS::SNS::Subscription': Subscription;
  readonly 'AWS::Events::Rule': EventsRule;
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

function idsOf(type: string, from: Template = template): string[] {
  return Object.keys(from.Resources).filter((id) => from.Resources[id]?.Type === type);
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
  const environment = Object.entries(Environment.Variables).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : deployed(idOf(value) ?? ''),
  ]);
  return readConfigOf(Object.fromEntries(environment) as Readonly<Record<string, string>>);
}

function readConfigOf(environment: Readonly<Record<string, string>>): Config {
  const least = {
    ALERT_QUEUE_URL: deployed('AlertQueue'),
    DEAD_LETTER_QUEUE_URL: deployed('DeadLetterQueue'),
  };
  const reading = readConfig({ ...least, ...environment }, 'eu-west-1');
  if (reading.kind === 'problems') throw new Error(reading.problems.join('; '));
  return reading.config;
}

/** What a reference in an environment may become. */
function deployed(ref: string): string {
  if (ref === 'AWS::AccountId') return '111122223333';
  if (ref === 'LedgerTable') return 'stack-LedgerTable-1ABC2DEF';
  return `https://sqs.eu-west-1.amazonaws.com/111122223333/${ref}`;
}

/** The log groups whose events a metric counts, each with its filter. */
function countedEvents(Namespace: unknown, MetricName: unknown): readonly unknown[] {
  const counting = [{ MetricNamespace: Namespace, MetricName, MetricValue: '1' }];
  return idsOf('AWS::Logs::MetricFilter')
    .map((id) => propertiesOf('AWS::Logs::MetricFilter', id))
    .filter(
      ({ MetricTransformations }) =>
        JSON.stringify(MetricTransformations) === JSON.stringify(counting),
    )
    .map(({ LogGroupName, FilterPattern }) => [idOf(LogGroupName), FilterPattern]);
}

function shareOf(lane: Lane): number {
  return Number(variable(lane, 'QUOTA_SHARE'));
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

/** An ARN of this account and region, as `Fn::Sub` spells it. */
function ownArn(service: string, resource: string): string {
  return `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`;
}
