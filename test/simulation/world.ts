// A small world in virtual time: models of SQS, IoT, the ledger table and Lambda around the real rims,
// `work` and `handleInvocation`. What happens is written down; checker.ts judges it.

import type { Clock, Random } from '../../src/clock.ts';
import type { Log } from '../../src/event.ts';
import { createMemoryBrakeStore, createSharedBrakeStore } from '../../src/brake-store.ts';
import { createBrake, type Brake, type Ceilings } from '../../src/brake.ts';
import { handleInvocation, type InvocationPorts } from '../../src/invocation.ts';
import { lanes, type Lane } from '../../src/lane.ts';
import { createMemoryLedger } from '../../src/ledger.ts';
import { createSharedLedger } from '../../src/shared-ledger.ts';
import type { AlertPorts } from '../../src/pipeline.ts';
import { createThrottle, type Throttle } from '../../src/throttle.ts';
import { work, type WorkerPorts } from '../../src/worker.ts';
import { alertPorts } from '../helpers/alert-ports.ts';
import { certificateIdOf, bodyOf } from '../helpers/message.ts';
import { alertIn, policyOf, thingOf, type AlertRules, type AlertStep } from './alerts.ts';
import { chanceOf } from './chance.ts';
import { createDirectoryModel } from './directory.ts';
import type { AccountFacts, Ask, Happening, History, Record, Timed, Wish } from './history.ts';
import { createIot } from './iot.ts';
import { accountId, createMapping, type Container, type MappingRules } from './lambda.ts';
import { createPacer, withItsTimers, type PacerRules } from './pacer.ts';
import { processesIn, type Plan, type Rules, type Step, type WorkerRules } from './plan.ts';
import { createProcess, type Process } from './process.ts';
import { createSqs, type Left } from './sqs.ts';
import { createTable } from './table.ts';
import { createTime, type Time } from './time.ts';
import { createTroubles } from './trouble.ts';
import { createWindows } from './windows.ts';

const startMs = Date.UTC(2026, 10, 21, 3);

/** How long a world is given to settle after its last step, with nothing out of order any more, ms. */
const longestMs = 12 * 3600_000;

/** While lanes are held, the world sleeps for so long at once, ms. */
const longestNapMs = 300_000;

/** So far a process's time of day is off at most, ms. */
const longestWallAheadMs = 100_000;

const deployment = { accountId, region: 'eu-central-1' };

export interface Run {
  readonly history: History;
  /** How often each trouble struck. */
  readonly struck: ReadonlyMap<string, number>;
}

/** Lets a plan happen. */
export async function simulate(plan: Plan): Promise<Run> {
  const time = createTime(startMs);
  const isReal = plan.rules.workers.some(({ throttle }) => throttle === 'real');
  return isReal ? withItsTimers(time, () => live(plan, time)) : live(plan, time);
}

async function live({ seed, rules, steps }: Plan, time: Time): Promise<Run> {
  const happenings: Timed[] = [];
  const record: Record = (happening: Happening) => {
    happenings.push(Object.assign(happening, { atMs: time.now() }));
  };
  const troubles = createTroubles(time, chanceOf(seed, 'troubles'), record);
  const statuses = new Map([[certificateIdOf(rules.certificates), 'PENDING_TRANSFER']]);
  for (let n = 0; n < rules.certificates; n++) statuses.set(certificateIdOf(n), 'ACTIVE');
  const common = { ...rules, time, record, troubles };
  const sqs = createSqs({ ...common, chance: chanceOf(seed, 'sqs') });
  const iot = createIot({ ...common, statuses, chance: chanceOf(seed, 'iot') });
  const table = createTable({ ...common, chance: chanceOf(seed, 'table') });
  const { alerts } = rules;
  const directory = createDirectoryModel({
    ...common,
    statuses,
    pageSize: alerts?.pageSize ?? 1,
    chance: chanceOf(seed, 'directory'),
  });
  const windows = createWindows({ ...common, chance: chanceOf(seed, 'windows') });
  if (alerts !== undefined) furnish(alerts);
  /** What the next process starts with. */
  let ceilings: Ceilings = alerts?.ceilings ?? {};
  let dryRun: readonly Lane[] = alerts?.dryRun ?? [];
  const tasks: string[] = [];
  const containers = new Set<Process>();
  const slots = rules.workers.map((worker, at) => createSlot(worker, `w${at + 1}`));
  const mappings = rules.mappings.map((mapping) =>
    createMapping({
      ...common,
      ...mapping,
      sqs,
      chance: chanceOf(seed, `lambda ${mapping.lane}`),
      startContainer: () => startContainer(mapping),
    }),
  );

  function furnish({ things, attached }: AlertRules): void {
    for (let n = 0; n < things; n++) directory.open(thingOf(n));
    for (const [thing, certificate] of attached) {
      directory.join(thingOf(thing), certificateIdOf(certificate));
    }
  }

  /** What every process has, and the world knows of. */
  function portsOf(
    process: Process,
    throttle: Throttle,
    random: Random,
    stopping: AbortSignal,
  ): WorkerPorts & Pick<InvocationPorts, 'laneOf'> {
    const log = logOf(process);
    const { clock } = process;
    const brake = brakeOf(process, log, stopping);
    return {
      deployment,
      queues: Object.fromEntries(lanes.map((lane) => [lane, sqs.laneQueue(process, lane)])),
      deadLetters: sqs.deadLetters(process),
      certificates: iot.certificates(process),
      ledger: createMemoryLedger({ capacity: rules.ledgerCapacity }),
      throttle: observed(process, throttle),
      ...(rules.sharesLedger && {
        sharedLedger: createSharedLedger({ table: table(process), log, clock }),
      }),
      log,
      clock,
      random,
      laneOf: (queue) => lanes.find((lane) => queue === `${accountId}/${lane}`),
      ...(brake && { brake }),
      ...(alerts === undefined ? alertPorts() : portsForAlerts(process, alerts, stopping)),
    };
  }

  function portsForAlerts(process: Process, alerts: AlertRules, stopping: AbortSignal): AlertPorts {
    const steady: Clock = { now: time.now, sleep: process.clock.sleep };
    const limits = { share: 10, ceiling: 10 };
    const throttle = (api: string): Throttle =>
      createPacer({ limits, adapts: true }, steady, chanceOf(seed, `${process.name} ${api}`));
    const dry = dryBrakeOf(process, stopping);
    return {
      policy: policyOf(alerts),
      directory: directory.reach(process),
      lookupThrottles: {
        thingPrincipals: throttle('thingPrincipals'),
        principalThings: throttle('principalThings'),
        auditFindings: throttle('auditFindings'),
      },
      sendBack: sqs.sendBack(process),
      dryRun: { lanes: new Set(dryRun), ...(dry && { brake: dry }) },
    };
  }

  /** As src/entry has it: in the table, or in memory with this process's part. */
  function brakeOf(process: Process, log: Log, stopping: AbortSignal): Brake | undefined {
    if (Object.keys(ceilings).length === 0) return undefined;
    const { clock, wallClock } = process;
    const store = alerts?.sharesBrake
      ? createSharedBrakeStore({ table: windows.reach(process), log, clock })
      : createMemoryBrakeStore(1 / processesIn(rules));
    return createBrake({ ceilings, store, wallClock, clock, log, stopping });
  }

  function dryBrakeOf(process: Process, stopping: AbortSignal): Brake | undefined {
    if (dryRun.length === 0) return undefined;
    const { clock, wallClock } = process;
    const [store, log] = [createMemoryBrakeStore(), { write: () => undefined }];
    return createBrake({ ceilings, store, wallClock, clock, log, stopping });
  }

  function observed(process: Process, throttle: Throttle): Throttle {
    return {
      ...throttle,
      wake: (serve, mostUrgent) =>
        throttle.wake(() => {
          if (!process.isAlive()) return undefined;
          const attempt = serve();
          if (attempt !== undefined) record({ kind: 'slot', process: process.name });
          return attempt;
        }, mostUrgent),
    };
  }

  function logOf(process: Process): Log {
    return {
      write: (_level, fields) => {
        if (fields['event'] === 'message' && process.isAlive()) recordEvent(process.name, fields);
      },
    };
  }

  function recordEvent(process: string, fields: Readonly<{ [field: string]: unknown }>): void {
    const { messageId, receiveCount, outcome, acknowledgement, acknowledged } = fields;
    const { failureKind, retryAfterSeconds, cause } = fields;
    const told = { messageId, receiveCount, outcome, acknowledgement, acknowledged };
    const more = { failureKind, retryAfterSeconds, cause };
    record({ kind: 'event', process, ...told, ...more } as unknown as Happening);
  }

  function start(
    runtime: 'worker' | 'lambda',
    name: string,
    { aheadMs, throttle, rate }: Pick<WorkerRules, 'aheadMs' | 'throttle' | 'rate'>,
    stopping: AbortSignal = new AbortController().signal,
  ): { readonly process: Process; readonly ports: ReturnType<typeof portsOf> } {
    const random = chanceOf(seed, name);
    const wallAheadMs = (chanceOf(seed, `${name} wall`)() * 2 - 1) * longestWallAheadMs;
    const process = createProcess(name, { time, record, aheadMs, wallAheadMs });
    const limits = { share: rate, ceiling: rate };
    const steady: Clock = { now: time.now, sleep: process.clock.sleep };
    const pacer: PacerRules = { limits, adapts: throttle !== 'even' };
    const made =
      throttle === 'real'
        ? createThrottle({ limits, slowestCallMs: 10_000, clock: steady, random })
        : createPacer(pacer, steady, random);
    // src/throttle.ts: 1.5 slots' attempts, and the rate times the time and 20 ms.
    const burst = throttle === 'real' ? 1.5 + rate * 0.02 : 1;
    const { adapts } = pacer;
    record({ kind: 'started', process: name, runtime, rate, burst, adapts, ...(alerts && { ceilings, dryRun }) }); // prettier-ignore
    return { process, ports: portsOf(process, made, random, stopping) };
  }

  /** A place where one worker after another runs. */
  function createSlot(worker: WorkerRules, name: string): Slot {
    let current: Running | undefined;
    let incarnations = 0;

    function begin(): void {
      const stopping = new AbortController();
      const { process, ports } = start('worker', `${name}.${++incarnations}`, worker, stopping.signal); // prettier-ignore
      const queues = Object.fromEntries(worker.lanes.map((lane) => [lane, ports.queues[lane]]));
      const over = Promise.withResolvers<void>();
      const running: Running = {
        process,
        over: over.promise,
        stop: () => {
          if (!process.isAlive() || stopping.signal.aborted) return;
          process.poke(() => {
            record({ kind: 'stop', process: process.name, timeoutMs: worker.stopSeconds * 1000 });
            stopping.abort('SIGTERM');
          });
        },
      };
      current = running;
      process.onDeath(over.resolve);
      void work({ ...ports, queues }, worker.stopSeconds, stopping.signal).then(({ unsettled }) => {
        if (!process.isAlive()) return;
        record({ kind: 'stopped', process: process.name, unsettled });
        process.exit();
        over.resolve();
      });
    }

    begin();
    return {
      process: () => current?.process,
      end: async (how, awayMs) => {
        const leaving = current;
        if (leaving === undefined) return;
        how(leaving);
        await leaving.over;
        await time.sleep(awayMs);
        if (current === leaving) begin();
      },
      revive: () => {
        if (current?.process.isAlive() !== true) begin();
      },
      stop: async () => {
        current?.stop();
        await current?.over;
      },
    };
  }

  function startContainer({ lane }: MappingRules): Container {
    const name = `${lane}-λ${containers.size + 1}`;
    const { process, ports } = start('lambda', name, { aheadMs: 0, throttle: 'pace', rate: 3 });
    containers.add(process);
    return {
      process,
      invoke: (event, remainingMs) => handleInvocation(ports, event, remainingMs),
    };
  }

  function processes(): readonly Process[] {
    const workers = slots.flatMap((slot) => slot.process() ?? []);
    return [...workers, ...containers].filter((process) => process.isAlive());
  }

  function send(lane: Lane, form: string, ask: Ask): void {
    const [body, isGood] = bodyIn(form, ask);
    const isTooMuch = ask.status === 'REVOKED' && alerts?.strongest[lane] === 'INACTIVE';
    sqs.send(lane, body, isGood && !isTooMuch ? { ask } : {});
  }

  function sendAlert(step: AlertStep, alerts: AlertRules): void {
    const task = `task-${tasks.length}`;
    if (step.form === 'audit') openTask(task, step);
    const [body, wish]: readonly [string, Wish] = alertIn(step, alerts, task);
    sqs.send(step.lane, body, wish);
  }

  /** An audit that complains of some certificates, and of one that somebody has suppressed. */
  function openTask(task: string, { certificate, count }: AlertStep): void {
    const ids = Array.from({ length: count }, (_, n) =>
      certificateIdOf((certificate + n) % (rules.certificates + 1)),
    );
    const suppressed = certificateIdOf((certificate + count) % (rules.certificates + 1));
    const found = [...new Set(ids)];
    directory.open(task, [...new Set([...found, suppressed])]);
    for (const id of found) directory.join(task, id);
    tasks.push(task);
  }

  function take(step: Step): void {
    switch (step.does) {
      case 'send': {
        const { lane, form, status } = step;
        return send(lane, form, { certificateId: certificateIdOf(step.certificate), status });
      }
      case 'flood': {
        for (let n = 0; n < step.count; n++) {
          const certificateId = certificateIdOf((step.certificate + n) % rules.certificates);
          send(step.lane, 'id', { certificateId, status: step.status });
        }
        return;
      }
      case 'third party':
        return iot.thirdParty(certificateIdOf(step.certificate), step.what);
      case 'trouble':
        return troubles.begin(step.trouble, step.strength, step.forMs);
      case 'crash':
        return crash(step);
      case 'stop': {
        const slot = slots[step.process % Math.max(1, slots.length)];
        void slot?.end(({ stop }) => stop(), step.awayMs);
        return;
      }
      case 'freeze': {
        const process = nth(processes(), step.process);
        if (process === undefined || process.isFrozen()) return;
        process.freeze();
        time.after(step.forMs, process.thaw);
        return;
      }
      case 'jump':
        nth(processes(), step.process)?.jump(step.byMs);
        return;
      case 'redrive':
        return sqs.redrive();
      case 'alert':
        if (alerts !== undefined) sendAlert(step, alerts);
        return;
      case 'attach':
        return directory[step.isIn ? 'join' : 'leave'](thingOf(step.thing), certificateIdOf(step.certificate)); // prettier-ignore
      case 'suppress':
        return directory.leave(tasks.at(-1) ?? '', certificateIdOf(step.certificate));
      case 'lift':
        windows.lift(step.lane, step.forMs);
    }
  }

  function crash({ process: n, passages, awayMs }: Extract<Step, { does: 'crash' }>): void {
    const process = nth(processes(), n);
    const slot = slots.find((slot) => slot.process() === process);
    if (slot === undefined) process?.crashAfter(passages);
    else void slot.end((running) => running.process.crashAfter(passages), awayMs);
  }

  /** Ends all troubles, and lets healthy processes work until the queues are empty. */
  function heal(): void {
    troubles.endAll();
    for (const process of processes()) process.thaw();
    for (const slot of slots) slot.revive();
    record({ kind: 'healed' });
  }

  let isOver = false;
  async function happen(): Promise<void> {
    for (const step of steps) {
      await time.sleep(step.afterMs);
      take(step);
    }
    await time.sleep(500);
    heal();
    if (alerts !== undefined) await settleAccount(alerts);
    await until(() => sqs.left().length === 0);
    await Promise.all([...slots.map((slot) => slot.stop()), ...mappings.map((one) => one.close())]);
    isOver = true;
  }

  /** What people do once all is well: they let held lanes go, and end dry runs. */
  async function settleAccount({ sharesBrake, waitsOut }: AlertRules): Promise<void> {
    const isDry = ({ lane }: Left): boolean => dryRun.includes(lane);
    const isDone = (): boolean => sqs.left().every(isDry);
    const isLimited = Object.keys(ceilings).length > 0;
    await until(isDone, isLimited && !waitsOut ? 60_000 : longestMs);
    if (isLimited && !waitsOut) {
      if (sharesBrake) for (const lane of lanes) windows.lift(lane, 2 * longestMs);
      else await restartWith({ ceilings: {}, dryRun });
    }
    await until(isDone);
    if (dryRun.length > 0) await restartWith({ ceilings: {}, dryRun: [] });
  }

  async function restartWith(next: {
    readonly ceilings: Ceilings;
    readonly dryRun: readonly Lane[];
  }): Promise<void> {
    ({ ceilings, dryRun } = next);
    for (const container of containers) container.crashAfter(0);
    await Promise.all(slots.map((slot) => slot.end(({ stop }) => stop(), 0)));
  }

  async function until(isDone: () => boolean, forMs = longestMs): Promise<void> {
    const untilMs = time.now() + forMs;
    let [before, quiet] = [happenings.length, 0];
    while (!isDone() && time.now() < untilMs) {
      await time.sleep(1000);
      quiet = happenings.length === before ? quiet + 1 : 0;
      if (quiet > 8) quiet = 0;
      if (quiet === 8 && alerts !== undefined) await nap();
      before = happenings.length;
    }
  }

  /** Nothing goes on until a message is seen again, or the brake may let go: workers sleep, to save time. */
  async function nap(): Promise<void> {
    const hidden = sqs.left().map(({ visibleFromMs }) => visibleFromMs - time.now());
    const ms = Math.min(longestNapMs, ...hidden.filter((ms) => ms > 0));
    const sleepers = slots.flatMap((slot) => slot.process() ?? []);
    for (const process of sleepers) process.freeze({ isNap: true });
    await time.sleep(ms);
    for (const process of sleepers) process.thaw();
  }

  void happen();
  await time.run(() => isOver, time.now() + 2 * longestMs);
  record({ kind: 'ended', left: sqs.left().map(({ messageId }) => messageId) });
  const { sharesLedger, ledgerCapacity, certificates } = rules;
  const known = { sharesLedger, forgets: ledgerCapacity < certificates + 2 };
  const account = accountOf(rules);
  const history = { seed, startMs, statuses, ...known, account, happenings };
  return { history, struck: troubles.struck };
}

function accountOf(rules: Rules): AccountFacts {
  const { alerts } = rules;
  return {
    hasAlerts: alerts !== undefined,
    protectedCertificates: new Set(alerts?.protectedCertificates.map(certificateIdOf)),
    protectedThings: new Set(alerts?.protectedThings.map(thingOf)),
    mostThings: alerts?.mostThings ?? {},
    hasCeilings: Object.keys(alerts?.ceilings ?? {}).length > 0,
    sharesBrake: alerts?.sharesBrake ?? false,
    processes: processesIn(rules),
  };
}

interface Slot {
  readonly process: () => Process | undefined;
  /** Ends the worker that runs now, and starts another after a while. */
  readonly end: (how: (running: Running) => void, awayMs: number) => Promise<void>;
  /** Starts a worker if none runs. */
  readonly revive: () => void;
  readonly stop: () => Promise<void>;
}

interface Running {
  readonly process: Process;
  /** Resolves once it has stopped, or crashed. */
  readonly over: Promise<void>;
  readonly stop: () => void;
}

function nth<T>(all: readonly T[], n: number): T | undefined {
  return all[n % Math.max(1, all.length)];
}

/** A body of this form, and whether what it asks for may be done. */
function bodyIn(
  form: string,
  { certificateId, status: newStatus }: Ask,
): readonly [string, boolean] {
  const arn = (region: string, account: string): string =>
    `arn:aws:iot:${region}:${account}:cert/${certificateId}`;
  const request = bodyOf({ certificateId, newStatus });
  switch (form) {
    case 'upper case':
      return [bodyOf({ certificateId: certificateId.toUpperCase(), newStatus }), true];
    case 'ARN':
      return [JSON.stringify({ certificateArn: arn('eu-central-1', accountId), newStatus }), true];
    case 'SNS':
      return [
        JSON.stringify({ Type: 'Notification', TopicArn: 'arn:aws:sns:x', Message: request }),
        true,
      ];
    case 'nonsense':
      return ['nonsense', false];
    case 'activation':
      return [bodyOf({ certificateId, newStatus: 'ACTIVE' }), false];
    case 'foreign account':
      return [JSON.stringify({ certificateArn: arn('eu-central-1', '999999999999'), newStatus }), false]; // prettier-ignore
    case 'foreign region':
      return [JSON.stringify({ certificateArn: arn('us-east-1', accountId), newStatus }), false];
    default:
      return [request, true];
  }
}
