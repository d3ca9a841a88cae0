import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readConfig, type Config, type Environment } from '../src/config.ts';

const region = 'eu-west-1';
const queueUrl = (name: string): string =>
  `https://sqs.${region}.amazonaws.com/123456789012/${name}`;

/** The least that is needed. */
const least: Environment = {
  INCIDENT_QUEUE_URL: queueUrl('incident'),
  DEAD_LETTER_QUEUE_URL: queueUrl('dead-letter'),
};

function configOf(environment: Environment): Config {
  const reading = readConfig({ ...least, ...environment }, region);
  if (reading.kind === 'problems') throw new Error(reading.problems.join('\n'));
  return reading.config;
}

function problemsOf(environment: Environment, inRegion = region): readonly string[] {
  const reading = readConfig({ ...least, ...environment }, inRegion);
  return reading.kind === 'problems' ? reading.problems : [];
}

describe('a configuration', () => {
  test('needs one lane and the dead-letter queue, and has a default for the rest', () => {
    // Strictly: nothing else is said, not even that it is undefined.
    expect(configOf({})).toStrictEqual({
      queueUrls: { incident: queueUrl('incident') },
      deadLetterQueueUrl: queueUrl('dead-letter'),
      region,
      callsPerSecond: 10,
      quotaShare: 1,
      mostCallsPerSecond: 10,
      processes: 1,
      dryRun: new Set(),
      ceilings: { alert: 100 },
      logLevel: 'info',
      stopTimeoutSeconds: 20,
    });
  });

  test('takes all that the contract names', () => {
    const environment = {
      ALERT_QUEUE_URL: queueUrl('alert'),
      ROTATION_QUEUE_URL: queueUrl('rotation'),
      UPDATE_CERTIFICATE_TPS: '40',
      QUOTA_SHARE: '0.5',
      PROBE_UP_TO_TPS: '60',
      MAXIMUM_CONCURRENCY: '4',
      AWS_ACCOUNT_ID: '123456789012',
      DRY_RUN: 'alert',
      ALERT_CEILING_PER_HOUR: '250',
      ROTATION_CEILING_PER_HOUR: '5000',
      POLICY_FILE: 'infra/policy.json',
      LOG_LEVEL: 'debug',
      STOP_TIMEOUT_SECONDS: '7.5',
    };
    expect(configOf(environment)).toEqual({
      queueUrls: {
        incident: queueUrl('incident'),
        alert: queueUrl('alert'),
        rotation: queueUrl('rotation'),
      },
      deadLetterQueueUrl: queueUrl('dead-letter'),
      region,
      accountId: '123456789012',
      callsPerSecond: 5,
      quotaShare: 0.5,
      mostCallsPerSecond: 60,
      processes: 4,
      dryRun: new Set(['alert']),
      ceilings: { alert: 250, rotation: 5000 },
      policyFile: 'infra/policy.json',
      logLevel: 'debug',
      stopTimeoutSeconds: 7.5,
    });
  });

  test('names the policy’s file whatever is wrong with the rest', () => {
    const environment = { POLICY_FILE: 'infra/policy.json', QUOTA_SHARE: '2' };
    expect(readConfig(environment, region)).toMatchObject({
      kind: 'problems',
      policyFile: 'infra/policy.json',
    });
  });

  test('is frozen, all of it', () => {
    const config = configOf({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.queueUrls)).toBe(true);
  });

  test('takes an empty string for unset', () => {
    const names = [
      'ALERT_QUEUE_URL',
      'QUOTA_SHARE',
      'AWS_ACCOUNT_ID',
      'LOG_LEVEL',
      'REDIS_URL',
      'LEDGER_TABLE',
    ];
    expect(configOf(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(configOf({}));
  });

  test('does not mind whatever else is in the environment', () => {
    expect(configOf({ PATH: '/usr/bin', HOME: undefined, NaN: 'NaN' })).toEqual(configOf({}));
  });

  test('takes queues of other clouds, of a VPC endpoint and of a sandbox', () => {
    const urls = [
      'https://sqs.cn-north-1.amazonaws.com.cn/123456789012/incident',
      'https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com/123456789012/incident',
      'http://127.0.0.1:4566/000000000000/incident',
      'http://localhost:4566/incident',
    ];
    for (const url of urls.slice(1)) {
      expect(configOf({ INCIDENT_QUEUE_URL: url }).queueUrls).toEqual({ incident: url });
    }
    const chinese = {
      INCIDENT_QUEUE_URL: urls[0],
      DEAD_LETTER_QUEUE_URL: `${urls[1]}-dead-letter`,
    };
    expect(readConfig(chinese, 'cn-north-1')).toMatchObject({ kind: 'config' });
  });
});

describe('what holds alerts back', () => {
  test.each([
    ['all', ['incident', 'alert', 'rotation']],
    ['alert', ['alert']],
    ['alert, rotation', ['alert', 'rotation']],
    ['incident  ,  alert,rotation', ['incident', 'alert', 'rotation']],
  ])('runs dry in the lanes that DRY_RUN names: %s', (value, dry) => {
    expect(configOf({ DRY_RUN: value }).dryRun).toEqual(new Set(dry));
  });

  test.each(['alerts', 'true', 'alert;rotation', 'ALERT', ',', 'alertx,rotation', 'alert, '])(
    'does not guess which lanes DRY_RUN "%s" means',
    (value) => {
      expect(problemsOf({ DRY_RUN: value })).toEqual([
        expect.stringMatching(/^DRY_RUN: it holds ".*"; the lanes to run dry, such as "alert"/),
      ]);
    },
  );

  test('can be without a ceiling, if that is said aloud', () => {
    expect(configOf({ ALERT_CEILING_PER_HOUR: 'unlimited' }).ceilings).toStrictEqual({});
  });

  test('has a ceiling for incidents and rotations too, if they shall have one', () => {
    expect(
      configOf({ INCIDENT_CEILING_PER_HOUR: '7', ROTATION_CEILING_PER_HOUR: '9' }).ceilings,
    ).toStrictEqual({ incident: 7, alert: 100, rotation: 9 });
  });

  test.each(['0', '-1', '1.5', 'none', '1e3', 'Infinity'])('has no ceiling of "%s"', (value) => {
    for (const name of ['INCIDENT', 'ALERT', 'ROTATION']) {
      expect(problemsOf({ [`${name}_CEILING_PER_HOUR`]: value })).toEqual([
        `${name}_CEILING_PER_HOUR: it holds "${value}"; a whole number of certificates an hour above 0, or "unlimited", is expected`,
      ]);
    }
  });

  test('has a ceiling that a ledger table can keep', () => {
    const ceiling = { ROTATION_CEILING_PER_HOUR: '3001' };
    const rotation = { ROTATION_QUEUE_URL: queueUrl('rotation') };
    expect(configOf(ceiling).ceilings).toMatchObject({ rotation: 3001 });
    const highest = { ROTATION_CEILING_PER_HOUR: '3000' };
    expect(problemsOf({ ...highest, ...rotation, LEDGER_TABLE: 'ledger' })).toEqual([]);
    expect(problemsOf({ ...ceiling, ...rotation, LEDGER_TABLE: 'ledger' })).toEqual([
      expect.stringMatching(/^ROTATION_CEILING_PER_HOUR: .* at most 3000, or "unlimited"/),
    ]);
  });

  test('has a ceiling that leaves each process one, where nobody counts for all of them', () => {
    const processes = { MAXIMUM_CONCURRENCY: '150', ALERT_QUEUE_URL: queueUrl('alert') };
    expect(problemsOf(processes)).toEqual([
      'ALERT_CEILING_PER_HOUR: it is 100; without LEDGER_TABLE no less than MAXIMUM_CONCURRENCY, which divides it (150), or "unlimited", is expected',
    ]);
    expect(configOf({ ...processes, LEDGER_TABLE: 'ledger' }).ceilings).toEqual({ alert: 100 });
    for (const lane of ['incident', 'alert', 'rotation']) {
      const name = lane.toUpperCase();
      const few = { [`${name}_QUEUE_URL`]: queueUrl(lane), [`${name}_CEILING_PER_HOUR`]: '3' };
      expect(problemsOf({ ...few, MAXIMUM_CONCURRENCY: '4' })).toEqual([
        `${name}_CEILING_PER_HOUR: it holds "3"; without LEDGER_TABLE no less than MAXIMUM_CONCURRENCY, which divides it (4), or "unlimited", is expected`,
      ]);
      expect(problemsOf({ ...few, MAXIMUM_CONCURRENCY: '3' })).toEqual([]);
    }
  });
});

describe('a quota that Redis shares', () => {
  test('is not divided among containers beforehand, but they are counted', () => {
    const environment = { MAXIMUM_CONCURRENCY: '5', QUOTA_SHARE: '0.5' };
    expect(configOf(environment)).toMatchObject({ callsPerSecond: 1, processes: 5 });
    const redisUrl = 'redis://localhost:6379';
    expect(configOf({ ...environment, REDIS_URL: redisUrl })).toMatchObject({
      callsPerSecond: 5,
      processes: 5,
      redisUrl,
    });
  });

  test.each([
    'redis://localhost',
    'redis://10.0.0.1:6379',
    'redis://[::1]:6379/0',
    'redis://:p%40ss%2Fw%23rd%3F@cache.example.com:6379',
    'rediss://worker:secret@cache.example.com:6380/15',
    'rediss://worker:%E2%82%AC@cache.example.com/',
  ])('is at %s', (redisUrl) => {
    expect(configOf({ REDIS_URL: redisUrl }).redisUrl).toBe(redisUrl);
  });

  test.each([
    'localhost',
    'localhost:6379',
    'http://localhost:6379',
    'redis:/hunter2',
    'redis://',
    'redis://:hunter2@',
    'redis://localhost:port',
    'redis://localhost:65536',
    'redis://local host:6379',
    'redis://:hunter2@localhost:6379/first',
    'redis://:hunter2@localhost:6379?db=1',
    'redis://:hunter2@localhost:6379/0#1',
    'redis://:hunter2/x@localhost:6379',
    'redis://:hunter2#x@localhost:6379',
    'redis://:hunter2?x@localhost:6379',
    'redis://:hunter2%@localhost:6379',
    'redis://:hunter2%zz@localhost:6379',
    'redis://:hunter2%ff@localhost:6379',
    ' redis://:hunter2@localhost:6379',
  ])('is not at %j; what it holds is not shown', (redisUrl) => {
    expect(problemsOf({ REDIS_URL: redisUrl })).toEqual([
      'REDIS_URL: it holds something else; a URL such as redis://host:6379 or rediss://user:password@host:6379/0 is expected (in a password, %2F for / and so on)',
    ]);
  });
});

describe('the table of a shared ledger', () => {
  test.each([
    'abc',
    'iot-revocation.ledger_2',
    'x'.repeat(255),
    'arn:aws:dynamodb:eu-west-1:123456789012:table/ledger',
    'arn:aws:dynamodb:eu-west-1:210987654321:table/of.another-account',
  ])('may be %s', (ledgerTable) => {
    expect(configOf({ LEDGER_TABLE: ledgerTable }).ledgerTable).toBe(ledgerTable);
  });

  test('may be one of another cloud’s', () => {
    const environment = {
      INCIDENT_QUEUE_URL: 'https://sqs.cn-north-1.amazonaws.com.cn/123456789012/incident',
      DEAD_LETTER_QUEUE_URL: 'https://sqs.cn-north-1.amazonaws.com.cn/123456789012/dead-letter',
      LEDGER_TABLE: 'arn:aws-cn:dynamodb:cn-north-1:123456789012:table/ledger',
    };
    expect(readConfig(environment, 'cn-north-1')).toMatchObject({ kind: 'config' });
  });

  test('may be left out, or empty: then each process has its own memory', () => {
    expect(configOf({ LEDGER_TABLE: '' })).not.toHaveProperty('ledgerTable');
  });

  test.each([
    'ab',
    'x'.repeat(256),
    'my ledger',
    'ledger\n',
    'ledger/index/byIncident',
    'arn:aws:dynamodb:eu-west-1:123456789012:table/',
    'arn:aws:dynamodb:eu-west-1:123456789012:table/ledger/index/byIncident',
    'arn:aws:dynamodb:eu-west-1:123456789012:table/ledger/stream/2026-01-01T00:00:00.000',
    'arn:aws:dynamodb::123456789012:table/ledger',
    'arn:aws:dynamodb:eu-west-1:12345:table/ledger',
    'arn:aws:dynamodb:eu-west-1:123456789012:global-table/ledger',
    'arn:aws:sqs:eu-west-1:123456789012:ledger',
    'https://dynamodb.eu-west-1.amazonaws.com/ledger',
  ])('may not be %j', (table) => {
    expect(problemsOf({ LEDGER_TABLE: table })).toEqual([
      expect.stringMatching(
        /^LEDGER_TABLE: it holds .*; the name of a DynamoDB table .*, or its ARN, is expected$/,
      ),
    ]);
  });

  test('may not be in another region: its watermarks are of other clocks', () => {
    const table = 'arn:aws:dynamodb:us-east-1:123456789012:table/ledger';
    expect(problemsOf({ LEDGER_TABLE: table })).toEqual([
      'LEDGER_TABLE: its table is in us-east-1, but the region is eu-west-1; a table there is expected',
    ]);
  });
});

describe('one queue under two names', () => {
  test.each([
    ['http://sqs.eu-west-1.amazonaws.com/123456789012/a', true],
    ['https://eu-west-1.queue.amazonaws.com/123456789012/a', true],
    ['https://sqs.eu-west-1.amazonaws.com/123456789012/b', false],
    ['https://sqs.eu-west-1.amazonaws.com/210987654321/a', false],
    ['http://127.0.0.1:9324/123456789012/a', false],
  ])('%s: noticed %s', (url, isNoticed) => {
    const lane = 'https://sqs.eu-west-1.amazonaws.com/123456789012/a';
    const problems = problemsOf(
      { INCIDENT_QUEUE_URL: lane, DEAD_LETTER_QUEUE_URL: url },
      'eu-west-1',
    );
    expect(problems.some((problem) => problem.includes('the same queue'))).toBe(isNoticed);
  });
});

describe('a wrong environment', () => {
  test('is told with every problem at once, each by its variable’s name', () => {
    const problems = problemsOf(
      {
        INCIDENT_QUEUE_URL: 'incident',
        ALERT_QUEUE_URL: queueUrl('alert.fifo'),
        ROTATION_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/123456789012/rotation',
        DEAD_LETTER_QUEUE_URL: '',
        UPDATE_CERTIFICATE_TPS: '0',
        QUOTA_SHARE: '2',
        MAXIMUM_CONCURRENCY: '-1',
        AWS_ACCOUNT_ID: '12345',
        LOG_LEVEL: 'loud',
        STOP_TIMEOUT_SECONDS: 'soon',
        REDIS_URL: 'localhost:6379',
        LEDGER_TABLE: 'a',
      },
      region,
    );
    expect(problems.map((problem) => problem.split(':')[0]).toSorted()).toEqual([
      'ALERT_QUEUE_URL',
      'AWS_ACCOUNT_ID',
      'DEAD_LETTER_QUEUE_URL',
      'INCIDENT_QUEUE_URL',
      'LEDGER_TABLE',
      'LOG_LEVEL',
      'MAXIMUM_CONCURRENCY',
      'QUOTA_SHARE',
      'REDIS_URL',
      'ROTATION_QUEUE_URL',
      'STOP_TIMEOUT_SECONDS',
      'UPDATE_CERTIFICATE_TPS',
    ]);
  });

  test('that holds nothing names all that is needed', () => {
    const reading = readConfig({}, undefined);
    expect(reading).toEqual({
      kind: 'problems',
      problems: [
        'DEAD_LETTER_QUEUE_URL: it is not set; an SQS queue URL such as https://sqs.eu-west-1.amazonaws.com/123456789012/my-queue is expected',
        'AWS_REGION: it is not set, and no profile names a region; e.g. eu-west-1 is expected',
        'INCIDENT_QUEUE_URL, ALERT_QUEUE_URL, ROTATION_QUEUE_URL: none is set; at least one queue to read from is expected',
      ],
    });
  });

  test.each([
    [
      'UPDATE_CERTIFICATE_TPS',
      'the account’s UpdateCertificate quota, above 0 and at most 10000 calls per second, is expected',
    ],
    ['QUOTA_SHARE', 'the part of the quota that may be used, above 0 and at most 1, is expected'],
    [
      'PROBE_UP_TO_TPS',
      'how far the pace may probe, above 0 and at most 10000 calls per second, is expected',
    ],
    [
      'MAXIMUM_CONCURRENCY',
      'the event source mapping’s maximumConcurrency, 1 to 1000, is expected',
    ],
    ['STOP_TIMEOUT_SECONDS', 'a number of seconds, 1 to 3600, is expected'],
    ['AWS_ACCOUNT_ID', 'an account id of 12 digits is expected'],
  ])('says what is expected of %s', (name, expected) => {
    for (const value of ['x', '0', 'x123456789012', '1234567890123', '123456789012x']) {
      expect(problemsOf({ [name]: value })).toEqual([`${name}: it holds "${value}"; ${expected}`]);
    }
  });

  test('shows what a variable holds, harmlessly', () => {
    expect(problemsOf({ LOG_LEVEL: 'a\u001B[31mb' })).toEqual([
      String.raw`LOG_LEVEL: it holds "a\u001b[31mb"; one of trace, debug, info, warn, error, fatal, silent is expected`,
    ]);
  });

  test('has no region that the SDK takes', () => {
    const problemsOf = (environment: Environment): unknown =>
      readConfig({ ...least, ...environment }, undefined);
    expect(problemsOf({})).toMatchObject({
      problems: [
        expect.stringMatching(/^AWS_REGION: it is not set, and no profile names a region/),
      ],
    });
    expect(problemsOf({ AWS_REGION: 'eu_west' })).toMatchObject({
      problems: ['AWS_REGION: it holds "eu_west"; a region such as eu-west-1 is expected'],
    });
  });

  const numbers = [
    '',
    ' ',
    '-1',
    '+1',
    'NaN',
    'Infinity',
    '1e9',
    '1e1',
    '0x10',
    '1,5',
    '.',
    '1.',
    ' 1',
  ];
  describe.each([
    [
      'UPDATE_CERTIFICATE_TPS',
      ['0', '0.0', '10000.1', '1000000000', '99999999999999999999'],
      ['1', '10000', '0.5'],
    ],
    ['QUOTA_SHARE', ['0', '2', '1.0001'], ['1', '0.001', '1.0']],
    ['PROBE_UP_TO_TPS', ['0', '9', '10001', 'NaN'], ['10', '50.5', '10000']],
    ['MAXIMUM_CONCURRENCY', ['0', '0.5', '1001'], ['1', '2', '1000']],
    ['STOP_TIMEOUT_SECONDS', ['0', '0.9', '3601'], ['1', '3600', '2.5']],
  ] as const)('%s', (name, wrong, right) => {
    test.each([...numbers.slice(1), ...wrong])('may not be %j', (value) => {
      expect(problemsOf({ [name]: value })).toEqual([
        expect.stringMatching(new RegExp(`^${name}: it holds .*; .* is expected$`)),
      ]);
    });
    test.each(right)('may be %j', (value) => {
      expect(problemsOf({ [name]: value })).toEqual([]);
    });
  });

  test.each([
    'incident',
    'arn:aws:sqs:eu-west-1:123456789012:incident',
    'sqs.eu-west-1.amazonaws.com/123456789012/incident',
    'ftp://sqs.eu-west-1.amazonaws.com/123456789012/incident',
    'https://sqs.eu-west-1.amazonaws.com',
    'https://sqs.eu-west-1.amazonaws.com/',
    // The Lambda function knows its lane by the end of this: a slash there would hide the name.
    'https://sqs.eu-west-1.amazonaws.com/123456789012/incident/',
    'https://sqs.eu-west-1.amazonaws.com/123456789012/incident?x=y',
    'https://sqs.eu-west-1.amazonaws.com/123456789012/two words',
    ' https://sqs.eu-west-1.amazonaws.com/123456789012/incident',
  ])('may not name a queue %j', (url) => {
    expect(problemsOf({ INCIDENT_QUEUE_URL: url })).toEqual([
      expect.stringMatching(
        /^INCIDENT_QUEUE_URL: it holds .*; an SQS queue URL such as .* is expected$/,
      ),
    ]);
  });

  test('may not name a FIFO queue, whichever it is for', () => {
    for (const name of [
      'INCIDENT_QUEUE_URL',
      'ALERT_QUEUE_URL',
      'ROTATION_QUEUE_URL',
      'DEAD_LETTER_QUEUE_URL',
    ]) {
      expect(problemsOf({ [name]: queueUrl('queue.fifo') })).toEqual([
        expect.stringMatching(new RegExp(`^${name}: .*a standard queue is expected`)),
      ]);
    }
  });

  test('may not name one queue twice', () => {
    expect(
      problemsOf({
        ROTATION_QUEUE_URL: queueUrl('incident'),
        DEAD_LETTER_QUEUE_URL: queueUrl('incident'),
      }),
    ).toEqual([
      'ROTATION_QUEUE_URL: it is the same queue as INCIDENT_QUEUE_URL; another is expected',
      'DEAD_LETTER_QUEUE_URL: it is the same queue as INCIDENT_QUEUE_URL; another is expected',
    ]);
  });

  test('may not name a queue of another region', () => {
    expect(problemsOf({ ALERT_QUEUE_URL: queueUrl('alert') }, 'us-east-1')).toEqual([
      'INCIDENT_QUEUE_URL: its queue is in eu-west-1, but the region is us-east-1; a queue there is expected',
      'ALERT_QUEUE_URL: its queue is in eu-west-1, but the region is us-east-1; a queue there is expected',
      'DEAD_LETTER_QUEUE_URL: its queue is in eu-west-1, but the region is us-east-1; a queue there is expected',
    ]);
  });

  test('may not divide the quota until nothing is left that a timer can pace', () => {
    const environment = {
      UPDATE_CERTIFICATE_TPS: '0.001',
      QUOTA_SHARE: '0.001',
      MAXIMUM_CONCURRENCY: '1000',
    };
    expect(problemsOf(environment)).toEqual([
      expect.stringMatching(/^UPDATE_CERTIFICATE_TPS, QUOTA_SHARE, MAXIMUM_CONCURRENCY: /),
    ]);
  });

  test('is a configuration with sound numbers, or a list of problems, whatever it holds', () => {
    const value = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.webUrl(),
      fc.constantFrom('1', '0', ''),
    );
    const names = [
      'UPDATE_CERTIFICATE_TPS',
      'QUOTA_SHARE',
      'MAXIMUM_CONCURRENCY',
      'STOP_TIMEOUT_SECONDS',
      'ALERT_QUEUE_URL',
      'LOG_LEVEL',
    ];
    const environments = fc.dictionary(fc.constantFrom(...names), value, { noNullPrototype: true });
    fc.assert(
      fc.property(environments, (environment) => {
        const reading = readConfig({ ...least, ...environment }, region);
        if (reading.kind === 'problems') {
          expect(reading.problems.length).toBeGreaterThan(0);
          for (const problem of reading.problems) expect(problem).toMatch(/^[A-Z_, ]+: .+$/);
          return;
        }
        const { callsPerSecond, stopTimeoutSeconds } = reading.config;
        // Throttled, the pace falls to a twentieth; Node's timers know no more than 2^31 − 1 ms.
        expect(20_000 / callsPerSecond).toBeLessThan(2 ** 31);
        expect(callsPerSecond).toBeLessThanOrEqual(10_000);
        expect(stopTimeoutSeconds).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
