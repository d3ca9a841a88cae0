// What the worker has to survive, as data where one shape fits: what is in the queues, what goes wrong
// from which moment to which, and how it ends. Moments are events that the sandbox sees, drawn from a
// seed; no clock decides them.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteMessageBatchCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { lanes, type Lane } from '../../src/lane.ts';
import type { Fault } from '../../src/sandbox/fault.ts';
import { startRedis } from '../helpers/redis.ts';
import { recordOf } from '../helpers/runtimes.ts';
import { oneOf, whole } from '../simulation/chance.ts';
import { openDoor, type Door, type Weather } from './door.ts';
import { fuzzed } from './fuzz.ts';
import type { Timed } from './history.ts';
import { mixed, plain } from './load.ts';
import { linesIn, type Holding } from './program.ts';
import type { Scenario, Stage } from './scenario.ts';
import type { Member, World } from './world.ts';

/** Fast enough to get on with it, slow enough that much is under way at any moment. */
const swift = { UPDATE_CERTIFICATE_TPS: '120' };

// Moments.

/** What may be going on when something goes wrong. */
const kinds = [
  'request',
  'received',
  'call',
  'answer',
  'delete asked',
  'deleted',
  'letter',
  'entered',
  'line',
] as const;

type Kind = (typeof kinds)[number];

const is =
  (kind: Timed['kind'], process?: string) =>
  (happening: Timed): boolean =>
    happening.kind === kind &&
    (process === undefined || ('process' in happening && happening.process === process));

const aCall = is('call');

const says =
  (event: string) =>
  (happening: Timed): boolean =>
    happening.kind === 'line' && happening.line['event'] === event;

/** Resolves at a moment of a member's life that chance picks, having acted; or once all is done. */
async function sometime(
  { world, chance }: Stage,
  { name }: Member,
  act: () => void,
  most = 25,
): Promise<void> {
  const kind = oneOf(chance, kinds as unknown as [Kind, ...Kind[]]);
  const nth = whole(chance, 1, kind === 'letter' ? 3 : most);
  await Promise.race([world.at(nth, is(kind, name), act), world.drained()]);
}

/** Waits for a moment of a member's life; rejects if it ends before. */
async function whileAlive(member: Member, moment: Promise<void>): Promise<void> {
  const how = await Promise.race([moment, member.ended]);
  if (how !== undefined) throw new Error(`${member.name} ends with ${how}: ${member.stderr()}`);
}

// Ends.

/** Lets a member serve what is left, and stops it; a new one, if none is given. */
async function finish(stage: Stage, member?: Member, limitMs?: number): Promise<void> {
  const { world, complain } = stage;
  const last = member ?? world.start({ environment: swift });
  await world.history.until(() => last.of('started').length > 0 || last.isOver(), 60_000);
  const isDrained = await world.drained(limitMs);
  if (!isDrained) complain(`${world.left()} messages are still there at the end`);
  await stop(stage, last);
}

/** Asks a member to stop, and waits for it. */
async function stop(stage: Stage, member: Member): Promise<void> {
  member.signal('SIGTERM');
  await seeOff(stage, member);
}

/** Waits for the end of a member that was asked to stop; a second signal would end it at once. */
async function seeOff({ complain }: Stage, member: Member): Promise<void> {
  const how = await member.ended;
  // Before it works there is nothing to finish.
  const isBeforeWork = (how === 143 || how === 'SIGTERM') && member.of('started').length === 0;
  if (how !== 0 && !isBeforeWork) complain(`${member.name} ends with ${how}: ${member.stderr()}`);
}

/** Sees to it that there is something to do. `long ago` is true only while nobody works. */
async function refill(
  { world, chance, certificates }: Stage,
  when: 'now' | 'long ago' = 'long ago',
): Promise<void> {
  if (world.left() < 60) await world.send(mixed(chance, await certificates(50)), when);
}

// Kills and stops.

async function kills(stage: Stage): Promise<void> {
  const { world, chance, size, tell } = stage;
  world.hurry();
  slowly(world, whole(chance, 5, 40));
  for (let left = size.kills; left > 0; left--) {
    await refill(stage);
    const member = world.start({ environment: swift });
    await sometime(stage, member, () => member.signal('SIGKILL'));
    member.signal('SIGKILL');
    await member.ended;
    await world.expire(member.name);
    tell('kills', 1);
  }
  await finish(stage);
}

/** Every call takes its time, so that some are under way at any moment. */
function slowly(world: World, ms: number): void {
  world.sandbox.iot.inject({ operation: 'UpdateCertificate', kind: 'slow', ms, times: 'always' });
}

const killed: readonly Scenario[] = [
  {
    name: 'kill',
    what: 'kill -9 at any moment, again and again; the ledger is shared',
    play: kills,
  },
  {
    name: 'kill-alone',
    what: 'the same without a ledger: nobody knows what the dead one did',
    world: () => ({ sharesLedger: false }),
    play: kills,
  },
  {
    name: 'sigterm',
    what: 'SIGTERM under load, again and again',
    play: async (stage) => {
      const { world, chance, size, tell } = stage;
      world.hurry();
      slowly(world, whole(chance, 20, 150));
      for (let left = Math.ceil(size.kills / 2); left > 0; left--) {
        await refill(stage);
        const member = world.start({ environment: swift });
        await sometime(stage, member, () => member.signal('SIGTERM'));
        await stop(stage, member);
        tell('stops', 1);
      }
      await finish(stage);
    },
  },
  {
    name: 'beside',
    what: 'kill -9 and SIGTERM, while others work on the same queues',
    world: (chance) => ({ sharesLedger: chance() < 0.5 }),
    play: async (stage) => {
      const { world, chance, size, tell } = stage;
      world.hurry();
      slowly(world, whole(chance, 5, 60));
      let beside = world.start({ environment: swift });
      for (let left = Math.ceil(size.kills / 3); left > 0; left--) {
        await refill(stage, 'now');
        const member = world.start({ environment: swift });
        await sometime(stage, member, () => member.signal('SIGKILL'));
        member.signal('SIGKILL');
        await member.ended;
        await world.expire(member.name);
        tell('kills', 1);
        if (chance() > 0.3) continue;
        const other = world.start({ environment: swift });
        await stop(stage, beside);
        beside = other;
        tell('stops', 1);
      }
      await finish(stage, beside);
    },
  },
  {
    name: 'lambda',
    what: 'a Lambda container dies in the middle of its batch',
    play: lambdaDies,
  },
];

/** Plays the Lambda service, with containers that die. */
async function lambdaDies(stage: Stage): Promise<void> {
  const { world, chance, size, tell } = stage;
  world.hurry();
  slowly(world, whole(chance, 5, 40));
  for (let left = Math.ceil(size.kills / 2); left > 0; left--) {
    await refill(stage);
    const container = world.start({ file: 'test/helpers/container.ts', environment: swift });
    const died = sometime(stage, container, () => container.signal('SIGKILL'));
    await serve(stage, container);
    container.signal('SIGKILL');
    await Promise.all([container.ended, died]);
    await world.expire(container.name);
    tell('kills', 1);
  }
  await finish(stage);
}

/** Invokes the function with one batch after another, until it dies or the lanes are empty. */
async function serve({ world, complain }: Stage, container: Member): Promise<void> {
  const client = world.queueClient(container.name);
  const answered: (string | undefined)[] = [];
  let idle = 0;
  for (let turn = 0; idle < lanes.length && !container.isOver(); turn++) {
    const lane: Lane = lanes[turn % lanes.length] ?? 'incident';
    const QueueUrl = world.sandbox.queues.urls[lane];
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
    );
    idle = Messages.length === 0 ? idle + 1 : 0;
    if (Messages.length === 0) continue;
    const Records = Messages.map((message) => recordOf(message, QueueUrl));
    const answer = (await container.ask({ event: { Records }, remainingMs: 30_000 })) as
      | { readonly response?: Response; readonly error?: string }
      | undefined;
    if (answer?.response === undefined) {
      if (answer?.error !== undefined) complain(`${container.name}: ${answer.error}`);
      break;
    }
    const { batchItemFailures } = answer.response;
    const kept = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    const settled = Messages.filter(({ MessageId = '' }) => !kept.has(MessageId));
    answered.push(...Messages.map(({ MessageId }) => MessageId));
    if (settled.length === 0) continue;
    await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl,
        Entries: settled.map(({ ReceiptHandle }, n) => ({ Id: String(n), ReceiptHandle })),
      }),
    );
  }
  container.signal('SIGKILL');
  await container.ended;
  const told = new Set(container.of('message').map(({ messageId }) => messageId));
  const untold = answered.filter((messageId) => !told.has(messageId));
  if (untold.length > 0) complain(`${container.name} tells nothing of ${untold.join(', ')}`);
}

interface Response {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** What the alert lane may take out of service in an hour, below. */
const ceiling = 20;

const braked: Scenario = {
  name: 'brake',
  what: 'the alert lane runs wild against its ceiling, while workers die by kill -9',
  endsEmpty: false,
  play: async (stage) => {
    const { world, chance, certificates, complain, tell } = stage;
    world.hurry();
    const environment = { ...swift, ALERT_CEILING_PER_HOUR: String(ceiling) };
    slowly(world, whole(chance, 5, 40));
    const [alerted, urgent] = [await certificates(3 * ceiling), await certificates(ceiling)];
    await world.send([...plain(alerted, 'alert'), ...plain(urgent, 'incident')], 'long ago');
    for (let left = 3; left > 0; left--) {
      const member = world.start({ environment });
      await Promise.race([
        sometime(stage, member, () => member.signal('SIGKILL'), 12),
        world.at(1, says('brake')),
      ]);
      member.signal('SIGKILL');
      await member.ended;
      await world.expire(member.name);
      tell('kills', 1);
    }
    const { status } = world.sandbox.iot;
    const last = world.start({ environment });
    const isHeld = (): boolean => last.of('message').some((one) => one['failureKind'] === 'brake');
    const isServed = (): boolean => urgent.every((id) => status(id) === 'REVOKED');
    const isWell = await world.history.until(() => isHeld() && isServed(), 30_000);
    if (!isWell) complain(`held: ${isHeld()}, the incident is served: ${isServed()}`);
    await stop(stage, last);
    const taken = alerted.filter((id) => status(id) !== 'ACTIVE').length;
    tell('taken', taken);
    if (taken > ceiling) complain(`${taken} certificates are down, and the ceiling is ${ceiling}`);
  },
};

// Troubles of what the worker needs, which begin at a moment and end at another.

interface Trouble {
  readonly name: string;
  readonly what: string;
  readonly begin: (stage: Stage) => unknown;
  /** The trouble is over with the nth of these; at once if absent: it ends by itself. */
  readonly until?: readonly [nth: number, predicate: (happening: Timed) => boolean];
  readonly end?: (stage: Stage) => unknown;
  /** Whether SIGTERM may come while it lasts. Default true. */
  readonly mayStop?: boolean;
}

function iotFaults(...faults: readonly Fault[]): Pick<Trouble, 'begin'> {
  return { begin: ({ world }) => faults.forEach(world.sandbox.iot.inject) };
}

function sqsTurns(weather: Weather): Pick<Trouble, 'begin' | 'end'> {
  return {
    begin: ({ world }) => world.sqs.turn(weather),
    end: ({ world }) => world.sqs.turn('fair'),
  };
}

function dynamoTurns(weather: Weather): Pick<Trouble, 'begin' | 'end'> {
  return {
    begin: ({ world }) => world.dynamo.turn(weather),
    end: ({ world }) => world.dynamo.turn('fair'),
  };
}

const update = { operation: 'UpdateCertificate' } as const;
const describe = { operation: 'DescribeCertificate' } as const;

const troubles: readonly Trouble[] = [
  {
    name: 'iot-late',
    what: 'AWS IoT takes 3 s for an answer',
    ...iotFaults({ ...update, kind: 'slow', ms: 3000, times: 12 }),
  },
  {
    name: 'iot-never',
    what: 'AWS IoT does not answer, done or not',
    ...iotFaults(
      { ...update, kind: 'hang', when: 'before-applying', times: 4 },
      { ...update, kind: 'hang', when: 'after-applying', times: 4 },
      { ...describe, kind: 'hang', when: 'before-applying', times: 1 },
    ),
  },
  {
    name: 'iot-resets',
    what: 'connections to AWS IoT are reset, done or not',
    ...iotFaults(
      { ...update, kind: 'reset', when: 'before-applying', probability: 0.3, times: 30 },
      { ...update, kind: 'reset', when: 'after-applying', probability: 0.3, times: 30 },
      { ...describe, kind: 'reset', when: 'before-applying', probability: 0.3, times: 10 },
    ),
  },
  {
    name: 'iot-storm',
    what: 'AWS IoT answers 500, 503 and a load balancer’s page',
    ...iotFaults(
      {
        ...update,
        kind: 'exception',
        name: 'InternalFailureException',
        probability: 0.3,
        times: 40,
      },
      {
        ...update,
        kind: 'exception',
        name: 'ServiceUnavailableException',
        probability: 0.3,
        times: 40,
      },
      { ...update, kind: 'html', probability: 0.3, times: 40 },
    ),
  },
  {
    name: 'iot-throttles',
    what: 'AWS IoT grants an eighth of the quota',
    begin: ({ world }) => world.sandbox.iot.setQuota({ rate: 15, burst: 3 }),
    until: [30, (happening) => is('answer')(happening)],
    end: ({ world }) => world.sandbox.iot.setQuota('unlimited'),
  },
  {
    name: 'sqs-gone',
    what: 'nobody listens where SQS was',
    ...sqsTurns('gone'),
    until: [2, says('receive-failed')],
  },
  {
    name: 'sqs-hangs',
    what: 'SQS does not answer',
    ...sqsTurns('hanging'),
    until: [4, is('struck')],
  },
  {
    name: 'sqs-fails',
    what: 'SQS answers 503, every other time',
    ...sqsTurns('failing'),
    until: [20, is('struck')],
  },
  {
    name: 'sqs-lossy',
    what: 'SQS does it, and every other answer is lost',
    ...sqsTurns('lossy'),
    until: [20, is('struck')],
  },
  {
    name: 'dynamo-gone',
    what: 'nobody listens where DynamoDB was',
    begin: ({ world }) => world.sandbox.ledger.close(),
    until: [15, aCall],
    end: ({ world }) => world.sandbox.ledger.reopen(),
  },
  {
    name: 'dynamo-hangs',
    what: 'DynamoDB does not answer',
    ...dynamoTurns('hanging'),
    until: [15, aCall],
  },
  {
    name: 'dynamo-lossy',
    what: 'DynamoDB does it, and every other answer is lost',
    ...dynamoTurns('lossy'),
    until: [25, aCall],
  },
  {
    name: 'all-at-once',
    what: 'AWS IoT, SQS and DynamoDB fail every other time',
    begin: async ({ world }) => {
      for (const when of ['before-applying', 'after-applying'] as const) {
        world.sandbox.iot.inject({ ...update, kind: 'reset', when, probability: 0.3, times: 20 });
      }
      await world.sqs.turn('lossy');
      await world.dynamo.turn('failing');
    },
    until: [30, is('struck')],
    end: async ({ world }) => {
      await world.sqs.turn('fair');
      await world.dynamo.turn('fair');
    },
  },
];

function troubled(trouble: Trouble): Scenario {
  const { name, what, until, mayStop = true } = trouble;
  return {
    name,
    what,
    play: async (stage) => {
      const { world, chance, certificates, tell } = stage;
      const { record } = world.history;
      await world.send(mixed(chance, await certificates(60)), 'long ago');
      slowly(world, whole(chance, 5, 40));
      const member = world.start({ environment: swift });
      await whileAlive(member, world.at(whole(chance, 1, 20), aCall));
      record({ kind: 'fault', fault: name });
      const isOver = until && world.at(...until);
      await trouble.begin(stage);
      const isStopped = mayStop && chance() < 0.4;
      if (isStopped) {
        // While the trouble lasts: it ends when the process does, or when it would have anyway.
        member.signal('SIGTERM');
        tell('stops in trouble', 1);
        await Promise.race([isOver, member.ended]);
      } else if (isOver !== undefined) {
        await whileAlive(member, isOver);
      }
      await trouble.end?.(stage);
      record({ kind: 'mended', fault: name });
      if (isStopped) {
        await seeOff(stage, member);
        await world.expire(member.name);
      }
      world.hurry();
      await finish(stage, isStopped ? undefined : member);
    },
  };
}

const redisDies: Scenario = {
  name: 'redis-gone',
  what: 'Redis dies and comes back, empty; two workers share the quota by it',
  needs: 'redis-server',
  play: async (stage) => {
    const { world, chance, certificates, complain } = stage;
    await using redis = await startRedis();
    const environment = { ...swift, UPDATE_CERTIFICATE_TPS: '60', REDIS_URL: redis.url };
    slowly(world, whole(chance, 5, 40));
    await world.send(mixed(chance, await certificates(150)), 'long ago');
    const members = [world.start({ environment }), world.start({ environment })];
    const areUp = world.at(2, says('started'));
    for (const member of members) await whileAlive(member, areUp);
    await world.at(whole(chance, 5, 30), aCall);
    const lost = world.at(2, says('redis-lost'));
    const back = world.at(2, says('redis-back'));
    await redis.kill();
    world.history.record({ kind: 'fault', fault: 'redis-gone' });
    await Promise.race([lost, world.drained()]);
    await Promise.race([world.at(whole(chance, 1, 15), aCall), world.drained()]);
    await redis.restart();
    world.history.record({ kind: 'mended', fault: 'redis-gone' });
    await Promise.race([back, world.drained()]);
    world.hurry();
    const [first, ...others] = members;
    for (const other of others) await stop(stage, other);
    await finish(stage, first);
    for (const { name, of } of members) {
      if (of('redis-lost').length > 1) complain(`${name} says more than once that Redis is lost`);
    }
  },
};

// The disk is full.

/** Calls that are on their way here already when the worker says that its log is lost. */
const mostOnTheWay = 15;

const disks: readonly Scenario[] = [
  {
    name: 'disk-full',
    what: 'no line can be written from the start (/dev/full)',
    play: async (stage) => {
      const { world, chance, certificates, complain } = stage;
      await world.send(mixed(chance, await certificates(30)));
      const member = world.start({ environment: swift, output: '/dev/full' });
      expectOneSentence(member, await member.ended, complain);
      const calls = world.history.happenings.filter(is('call', member.name));
      if (calls.length > 0) complain(`${calls.length} calls in the dark`);
      await world.expire(member.name);
      await finish(stage);
    },
  },
  {
    name: 'disk-fills',
    what: 'the log’s disk fills up while it works',
    play: async (stage) => {
      const { world, chance, certificates, complain, tell } = stage;
      slowly(world, 50);
      await world.send(mixed(chance, await certificates(60)));
      const directory = await mkdtemp(join(tmpdir(), 'chaos-'));
      const output = join(directory, 'log');
      const environment = { ...swift, UPDATE_CERTIFICATE_TPS: '25' };
      const diskKiB = whole(chance, 6, 14);
      const member = world.start({ environment, output, diskKiB });
      expectOneSentence(member, await member.ended, complain);
      const lines = linesIn(await readFile(output, 'utf8'));
      await rm(directory, { recursive: true });
      const told = new Set(lines.map(({ certificateId }) => certificateId));
      const changed = world.history.happenings.flatMap((one) =>
        one.kind === 'answer' && one.process === member.name && one.applied
          ? [one.certificateId]
          : [],
      );
      const dark = new Set(changed.filter((id) => !told.has(id)));
      tell('in the dark', dark.size);
      const works = lines.some(({ event }) => event === 'message');
      if (!works) complain('the disk was full before it worked');
      const saidAt = world.history.happenings.findIndex(is('complaint', member.name));
      const after = world.history.happenings.slice(saidAt).filter(is('call', member.name));
      if (after.length > mostOnTheWay) complain(`${after.length} calls after the log was lost`);
      await world.expire(member.name);
      await finish(stage);
    },
  },
];

function expectOneSentence(
  member: Member,
  how: number | NodeJS.Signals,
  complain: Stage['complain'],
): void {
  if (how !== 1) complain(`${member.name} ends with ${how}, and its log is lost`);
  if (!/^stopping: the log cannot be written \([^\n]+\)\n$/.test(member.stderr())) {
    complain(`${member.name} says: ${member.stderr()}`);
  }
}

// Ten thousand fuzzed bodies.

const served = new Set(['applied', 'covered', 'unchanged', 'expanded', 'ignored']);

const fuzz: Scenario = {
  name: 'fuzz',
  what: 'fuzzed bodies by the thousand, with good ones among them',
  play: async (stage) => {
    const { world, chance, seed, size, certificates, complain, tell } = stage;
    const ids = (await certificates(8)) as [string, ...string[]];
    await world.send(fuzzed(chance, seed, size.bodies, ids));
    const member = world.start({ environment: { UPDATE_CERTIFICATE_TPS: '500' } });
    await finish(stage, member, 300_000);
    const letters = new Set(
      world.history.happenings.flatMap((one) => (one.kind === 'letter' ? [one.messageId] : [])),
    );
    const outcomes = new Map(
      member.of('message').map(({ messageId, outcome }) => [messageId, String(outcome)]),
    );
    for (const one of world.history.happenings) {
      if (one.kind !== 'sent' || one.due.kind !== 'either') continue;
      const isServed = served.has(outcomes.get(one.messageId) ?? '');
      if (isServed) tell('nearly, and served', 1);
      if (isServed === letters.has(one.messageId)) {
        complain(`${JSON.stringify(one.body.slice(0, 300))} is ${outcomes.get(one.messageId)}`);
      }
    }
  },
};

// Nothing grows.

/**
 * A heap that V8 has to collect within: without a limit it takes some 400 MiB before it looks for what
 * nobody needs, and hides a leak in them. What leaks for long dies of it.
 */
const smallHeap = '--max-heap-size=64';

/** Of memory, KiB: so much it may take later than at first, … */
const lateKiB = 16_384;

/** … and so much for a thousand messages, which name 250 certificates: it remembers them. */
const rememberedKiB = 512;

/** Files, pipes and sockets, once no connection is kept alive for later. */
const mostHandles = 5;

const flat: Scenario = {
  name: 'flat',
  what: 'many messages, and nothing grows: memory, handles',
  play: async (stage) => {
    const { world, chance, size, certificates, complain, tell } = stage;
    await using iot = await openDoor(world.sandbox.iot.endpoint, chance, {
      ask: () => () => undefined,
      strike: () => undefined,
    });
    const environment = {
      UPDATE_CERTIFICATE_TPS: '250',
      NODE_OPTIONS: smallHeap,
      AWS_ENDPOINT_URL_IOT: iot.endpoint,
    };
    const member = world.start({ environment });
    world.hurry(); // what a poll brings whose connection was broken
    const parts = 8;
    const perPart = size.messages / parts;
    const held: Holding[] = [];
    for (let part = 0; part < parts; part++) {
      const ids = await certificates(Math.ceil(perPart / 4));
      const orders = [
        ...plain(ids, 'rotation', 'INACTIVE'),
        ...plain(ids, 'alert'),
        ...plain(ids, 'alert'),
        ...plain(ids, 'incident'),
      ];
      await world.send(orders);
      if (!(await world.drained(120_000))) return complain(`part ${part} is not served`);
      if (part === 1 || part === parts - 1) {
        await hangUp(world, iot);
        held.push(member.holds());
      }
    }
    await finish(stage, member);
    const [warm, end] = held;
    if (warm === undefined || end === undefined) return;
    const thousands = (perPart * (parts - 2)) / 1000;
    const growthKiB = end.rssKiB - warm.rssKiB;
    const more = end.handles - warm.handles;
    tell('RSS MiB', Math.round(end.rssKiB / 1024));
    tell('grown KiB per 1000', Math.round(growthKiB / thousands));
    tell('handles', end.handles);
    tell('handles more', more);
    if (growthKiB > lateKiB + rememberedKiB * thousands) {
      complain(`it has grown by ${growthKiB} KiB in ${thousands * 1000} messages`);
    }
    if (more > mostHandles) complain(`it has ${end.handles} handles, ${more} more than before`);
  },
};

/** Breaks every connection, of which there are as many as calls ever came together. */
async function hangUp({ sqs, dynamo, at }: World, iot: Door): Promise<void> {
  for (const door of [sqs, dynamo, iot]) {
    await door.turn('gone');
    await door.turn('fair');
  }
  await at(2 * lanes.length, (one) => one.kind === 'request' && one.operation === 'ReceiveMessage');
}

export const scenarios: readonly Scenario[] = [
  ...killed,
  braked,
  ...troubles.map(troubled),
  redisDies,
  ...disks,
  fuzz,
  flat,
];
