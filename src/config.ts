// The environment, parsed once. Every problem is told at once and by the variable's name; nothing is
// guessed where a wrong guess would be dangerous.

import * as z from 'zod';
import { ceilingVariable, type Ceilings } from './brake.ts';
import { lanes, type Lane } from './lane.ts';
import { quote } from './quote.ts';

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];

export interface Config {
  /** The lanes that have a queue; at least one. */
  readonly queueUrls: Readonly<Partial<Record<Lane, string>>>;
  readonly deadLetterQueueUrl: string;
  /** The region of the certificates. */
  readonly region: string;
  /** Absent: STS is asked once. */
  readonly accountId?: string;
  /** What this process or container may use of the quota, UpdateCertificate calls per second. */
  readonly callsPerSecond: number;
  /** Of every quota of the account's, the part that we may use (0–1]. */
  readonly quotaShare: number;
  /** How far it may probe beyond that while nothing is throttled; at least `callsPerSecond`. */
  readonly mostCallsPerSecond: number;
  /** Redis or Valkey, which shares the pace among processes. */
  readonly redisUrl?: string;
  /** The DynamoDB table that shares the ledger, by its name or ARN. */
  readonly ledgerTable?: string;
  /** Lanes whose requests are all but carried out. */
  readonly dryRun: ReadonlySet<Lane>;
  /** Distinct certificates that each lane takes out of service in any hour; absent: any number. */
  readonly ceilings: Ceilings;
  /** The JSON file that says what differs from the default policy (policy.ts). */
  readonly policyFile?: string;
  /** So many processes share the quota at most, as far as is known; 1 if nothing is. */
  readonly processes: number;
  readonly logLevel: LogLevel;
  readonly stopTimeoutSeconds: number;
}

export type ConfigReading =
  | { readonly kind: 'config'; readonly config: Config }
  | {
      readonly kind: 'problems';
      /** One sentence a problem; each starts with the variable's name. */
      readonly problems: readonly string[];
      /** As in `Config`: what is wrong with that file is told beside these. */
      readonly policyFile?: string;
    };

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable that names each lane's queue. */
export const queueVariable: Readonly<Record<Lane, string>> = {
  incident: 'INCIDENT_QUEUE_URL',
  alert: 'ALERT_QUEUE_URL',
  rotation: 'ROTATION_QUEUE_URL',
};

const urlForm =
  'an SQS queue URL such as https://sqs.eu-west-1.amazonaws.com/123456789012/my-queue';

const queueUrl = z
  .string()
  // Its end is the queue's name, by which the Lambda function knows the lane.
  .regex(/^https?:\/\/[^\s/]+\/([^\s?#]+\/)?[\w-]{1,80}(\.fifo)?$/, {
    error: `${urlForm} is expected`,
  })
  .refine((url) => !url.endsWith('.fifo'), {
    error: 'a standard queue is expected; a FIFO queue holds back a whole group for one message',
  });

const tableForm =
  'the name of a DynamoDB table (3 to 255 letters, digits, dots, hyphens and underscores), or its ARN,';

/** AWS service model of dynamodb 2012-08-10: TableName, or an ARN. */
export const tablePattern: RegExp =
  /^(arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:\d{12}:table\/)?[a-zA-Z0-9_.-]{3,255}$/;

const number = (least: number, most: number, meaning: string): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,9}(\.\d{1,20})?$/, { error: `${meaning} is expected` })
    .transform(Number)
    .refine((value) => value >= least && value <= most, { error: `${meaning} is expected` });

/** An alert is a machine's word: so many of them an hour are believed (README, "The brake"). */
const defaultAlertCeiling = '100';

/**
 * A ledger table keeps a lane's hour in one item, and each certificate writes all of it: ten a second of
 * 3,000 are what DynamoDB takes for one item (1,000 write units a second).
 */
export const highestSharedCeiling = 3000;

const ceiling = z
  .string()
  .regex(/^([1-9]\d{0,8}|unlimited)$/, {
    error: 'a whole number of certificates an hour above 0, or "unlimited", is expected',
  })
  .transform((text) => (text === 'unlimited' ? undefined : Number(text)));

const dryRunForm =
  'the lanes to run dry, such as "alert" or "alert,rotation", or "all", is expected';

const dryRun = z
  .string()
  .regex(/^(all|(incident|alert|rotation)(\s*,\s*(incident|alert|rotation))*)$/, {
    error: dryRunForm,
  })
  .transform((text) => lanes.filter((lane) => text === 'all' || text.includes(lane)));

/** Above 0 and yet a rate: one call in a thousand seconds. */
const leastRate = 0.001;

const schema = z.object({
  INCIDENT_QUEUE_URL: queueUrl.optional(),
  ALERT_QUEUE_URL: queueUrl.optional(),
  ROTATION_QUEUE_URL: queueUrl.optional(),
  DEAD_LETTER_QUEUE_URL: z.string({ error: `${urlForm} is expected` }).pipe(queueUrl),
  UPDATE_CERTIFICATE_TPS: number(
    leastRate,
    10_000,
    'the account’s UpdateCertificate quota, above 0 and at most 10000 calls per second,',
  ).default(10),
  QUOTA_SHARE: number(
    leastRate,
    1,
    'the part of the quota that may be used, above 0 and at most 1,',
  ).default(1),
  PROBE_UP_TO_TPS: number(
    leastRate,
    10_000,
    'how far the pace may probe, above 0 and at most 10000 calls per second,',
  ).optional(),
  MAXIMUM_CONCURRENCY: number(
    1,
    1000,
    'the event source mapping’s maximumConcurrency, 1 to 1000,',
  ).default(1),
  AWS_ACCOUNT_ID: z
    .string()
    .regex(/^\d{12}$/, { error: 'an account id of 12 digits is expected' })
    .optional(),
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, {
      error:
        'a URL such as redis://host:6379 or rediss://user:password@host:6379/0 is expected (in a password, %2F for / and so on)',
    })
    .optional(),
  LEDGER_TABLE: z
    .string()
    .regex(tablePattern, { error: `${tableForm} is expected` })
    .optional(),
  DRY_RUN: dryRun.default([]),
  INCIDENT_CEILING_PER_HOUR: ceiling.optional(),
  ALERT_CEILING_PER_HOUR: ceiling.prefault(defaultAlertCeiling),
  ROTATION_CEILING_PER_HOUR: ceiling.optional(),
  LOG_LEVEL: z
    .enum(logLevels, { error: `one of ${logLevels.join(', ')} is expected` })
    .default('info'),
  // A poll under way takes a second at least, and is waited for.
  STOP_TIMEOUT_SECONDS: number(1, 3600, 'a number of seconds, 1 to 3600,').default(20),
});

/** A question mark or a hash in a password would make all that follows no part of the host. */
function isRedisUrl(text: string): boolean {
  if (!/^rediss?:\/\/[^\s/?#]+(\/\d*)?$/.test(text) || !URL.canParse(text)) return false;
  const { hostname, username, password } = new URL(text);
  return hostname !== '' && canDecode(username) && canDecode(password);
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The configuration that an environment asks for.
 *
 * @param region what the SDK found (AWS_REGION, or the profile's); undefined if nothing
 */
export function readConfig(environment: Environment, region: string | undefined): ConfigReading {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  // Any text may be a path, so the file can be looked into whatever else is wrong.
  const policyFile = given['POLICY_FILE'];
  const policy = policyFile === undefined ? {} : { policyFile };
  const parsed = schema.safeParse(given);
  const callsPerSecond = parsed.success ? paceOf(parsed.data) : leastRate;
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.map((issue) => problemOf(issue, given))),
    ...problemsBetween(given, region),
    ...(callsPerSecond < leastRate
      ? [
          `UPDATE_CERTIFICATE_TPS, QUOTA_SHARE, MAXIMUM_CONCURRENCY: they leave ${callsPerSecond} calls per second; at least ${leastRate} is expected`,
        ]
      : []),
    ...(parsed.success ? ceilingProblems(parsed.data, given) : []),
    ...(parsed.success && (parsed.data.PROBE_UP_TO_TPS ?? Infinity) < callsPerSecond
      ? [
          `PROBE_UP_TO_TPS: it holds ${quote(given['PROBE_UP_TO_TPS'])}; no less than this process's own ${callsPerSecond} calls per second is expected`,
        ]
      : []),
  ];
  if (!parsed.success || region === undefined || problems.length > 0) {
    return { kind: 'problems', problems, ...policy };
  }
  const { AWS_ACCOUNT_ID: accountId, ...env } = parsed.data;
  const config: Config = {
    queueUrls: Object.freeze({
      ...(env.INCIDENT_QUEUE_URL !== undefined && { incident: env.INCIDENT_QUEUE_URL }),
      ...(env.ALERT_QUEUE_URL !== undefined && { alert: env.ALERT_QUEUE_URL }),
      ...(env.ROTATION_QUEUE_URL !== undefined && { rotation: env.ROTATION_QUEUE_URL }),
    }),
    deadLetterQueueUrl: env.DEAD_LETTER_QUEUE_URL,
    region,
    ...(accountId !== undefined && { accountId }),
    callsPerSecond,
    quotaShare: env.QUOTA_SHARE,
    mostCallsPerSecond: env.PROBE_UP_TO_TPS ?? callsPerSecond,
    ...(env.REDIS_URL !== undefined && { redisUrl: env.REDIS_URL }),
    ...(env.LEDGER_TABLE !== undefined && { ledgerTable: env.LEDGER_TABLE }),
    dryRun: new Set(env.DRY_RUN),
    ceilings: Object.freeze(ceilingsOf(env)),
    ...policy,
    processes: env.MAXIMUM_CONCURRENCY,
    logLevel: env.LOG_LEVEL,
    stopTimeoutSeconds: env.STOP_TIMEOUT_SECONDS,
  };
  return { kind: 'config', config: Object.freeze(config) };
}

/** What is shared by Redis need not be divided among containers beforehand. */
function paceOf(env: z.infer<typeof schema>): number {
  const containers = env.REDIS_URL === undefined ? env.MAXIMUM_CONCURRENCY : 1;
  return (env.UPDATE_CERTIFICATE_TPS * env.QUOTA_SHARE) / containers;
}

function ceilingsOf(env: z.infer<typeof schema>): Ceilings {
  return {
    ...(env.INCIDENT_CEILING_PER_HOUR !== undefined && { incident: env.INCIDENT_CEILING_PER_HOUR }),
    ...(env.ALERT_CEILING_PER_HOUR !== undefined && { alert: env.ALERT_CEILING_PER_HOUR }),
    ...(env.ROTATION_CEILING_PER_HOUR !== undefined && { rotation: env.ROTATION_CEILING_PER_HOUR }),
  };
}

function ceilingProblems(env: z.infer<typeof schema>, given: Environment): readonly string[] {
  const ceilings = ceilingsOf(env);
  const isShared = env.LEDGER_TABLE !== undefined;
  const [least, most] = isShared ? [1, highestSharedCeiling] : [env.MAXIMUM_CONCURRENCY, Infinity];
  const why = isShared
    ? `with LEDGER_TABLE at most ${most}`
    : `without LEDGER_TABLE no less than MAXIMUM_CONCURRENCY, which divides it (${least})`;
  return lanes.flatMap((lane) => {
    const ceiling = ceilings[lane];
    if (ceiling === undefined || given[queueVariable[lane]] === undefined) return [];
    if (ceiling >= least && ceiling <= most) return [];
    const name = ceilingVariable[lane];
    const held = given[name] === undefined ? `it is ${ceiling}` : `it holds ${quote(given[name])}`;
    return [`${name}: ${held}; ${why}, or "unlimited", is expected`];
  });
}

function problemOf(issue: z.core.$ZodIssue, given: Environment): string {
  const name = String(issue.path[0]);
  return `${name}: ${holds(name, given[name])}; ${issue.message}`;
}

function holds(name: string, value: string | undefined): string {
  if (value === undefined) return 'it is not set';
  // It may hold a password.
  return name === 'REDIS_URL' ? 'it holds something else' : `it holds ${quote(value)}`;
}

/** What is wrong between variables, whether or not each is right by itself. */
function problemsBetween(given: Environment, region: string | undefined): readonly string[] {
  const names = [...lanes.map((lane) => queueVariable[lane]), 'DEAD_LETTER_QUEUE_URL'];
  const laneNames = names.slice(0, -1);
  return [
    ...(region === undefined ? [regionProblem(given['AWS_REGION'])] : []),
    ...(laneNames.some((name) => given[name] !== undefined)
      ? []
      : [`${laneNames.join(', ')}: none is set; at least one queue to read from is expected`]),
    ...names.flatMap((name, at) => {
      const same = names.slice(0, at).find((other) => isSameQueue(given[other], given[name]));
      return same === undefined
        ? []
        : [`${name}: it is the same queue as ${same}; another is expected`];
    }),
    ...names.flatMap((name) => {
      const queueRegion = regionOfQueue(given[name]);
      return region === undefined || queueRegion === undefined || queueRegion === region
        ? []
        : [
            `${name}: its queue is in ${queueRegion}, but the region is ${region}; a queue there is expected`,
          ];
    }),
    ...tableProblems(given['LEDGER_TABLE'], region),
  ];
}

/** A table elsewhere would keep the watermarks of other clocks. */
function tableProblems(table: string | undefined, region: string | undefined): readonly string[] {
  const tableRegion = regionOfTable(table);
  return region === undefined || tableRegion === undefined || tableRegion === region
    ? []
    : [
        `LEDGER_TABLE: its table is in ${tableRegion}, but the region is ${region}; a table there is expected`,
      ];
}

/** Why the SDK has found no region. */
function regionProblem(held: string | undefined): string {
  return held === undefined
    ? 'AWS_REGION: it is not set, and no profile names a region; e.g. eu-west-1 is expected'
    : `AWS_REGION: it holds ${quote(held)}; a region such as eu-west-1 is expected`;
}

/** Whether two URLs lead to one queue: AWS has more than one host name for it. */
function isSameQueue(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if (!URL.canParse(one) || !URL.canParse(other)) return one === other;
  const [a, b] = [new URL(one), new URL(other)];
  if (a.pathname !== b.pathname) return false;
  if (a.host === b.host) return true;
  const [inA, inB] = [regionOfQueue(one), regionOfQueue(other)];
  return isAws(a) && isAws(b) && (inA === inB || inA === undefined || inB === undefined);
}

function isAws(url: URL): boolean {
  return /\.amazonaws\.com(\.cn)?$/.test(url.host);
}

/** The region that a table's ARN names. */
export function regionOfTable(table: string | undefined): string | undefined {
  return /^arn:[^:]*:dynamodb:([^:]+):/.exec(table ?? '')?.[1];
}

/** The region that a queue URL of AWS's names. */
export function regionOfQueue(url: string | undefined): string | undefined {
  return /^https:\/\/sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?\//.exec(url ?? '')?.[1];
}
