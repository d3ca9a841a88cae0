// A small world in virtual time: models of SQS, IoT, the ledger table and Lambda around the real rims,
// `work` and `handleInvocation`. What happens is written down; checker.ts judges it.

import type { Clock, Random } from '../../src/clock.ts';
import type { Log } from '../../src/event.ts';
import { alertPorts } from '../helpers/alert-ports.ts';
import { handleInvocation, type InvocationPorts } from '../../src/invocation.ts';
import { lanes, type Lane } from '../../src/lane.ts';
import { createMemoryLedger } from '../../src/ledger.ts';
import { createSharedLedger } from '../../src/shared-ledger.ts';
import { createThrottle, type Throttle } from '../../src/throttle.ts';
import { work, type WorkerPorts } from '../../src/worker.ts';
import { certificateIdOf, bodyOf } from '../helpers/message.ts';
import { chanceOf } from './chance.ts';
import type { Ask, Happening, History, Record, Timed } from './history.ts';
import { createIot } from './iot.ts';
import { accountId, createMapping, type Container, type MappingRules } from './lambda.ts';
import { createPacer, withItsTimers, type PacerRules } from './pacer.ts';
import type { Plan, Step, WorkerRules } from './plan.ts';
import { createProcess, type Process } from './process.ts';
import { createSqs } from './sqs.ts';
import { createTable } from './table.ts';
import { createTime, type Time } from './time.ts';
import { createTroubles } from './trouble.ts';

const startMs = Date.UTC(2026, 10, 21, 3);

/** How long a world is given to settle after its last step, with nothing out of order any more, ms. */
const longestMs = 12 * 3600_000;

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

  /** What every process has, and the world knows of. */
  function portsOf(
    process: Process,
    throttle: Throttle,
    random: Random,
  ): WorkerPorts & Pick<InvocationPorts, 'laneOf'> {
    const log = logOf(process);
    const { clock } = process;
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
      ...alertPorts(),
    };
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
  ): { readonly process: Process; readonly ports: ReturnType<typeof portsOf> } {
    const random = chanceOf(seed, name);
    const process = createProcess(name, { time, record, aheadMs });
    const limits = { share: rate, ceiling: rate };
    const steady: Clock = { now: time.now, sleep: process.clock.sleep };
    const pacer: PacerRules = { limits, adapts: throttle !== 'even' };
    const made =
      throttle === 'real'
        ? createThrottle({ limits, slowestCallMs: 10_000, clock: steady, random })
        : createPacer(pacer, steady, random);
    // src/throttle.ts: 1.5 slots' attempts, and the rate times the time and 20 ms.
    const burst = throttle === 'real' ? 1.5 + rate * 0.02 : 1;
    record({ kind: 'started', process: name, runtime, rate, burst, adapts: pacer.adapts });
    return { process, ports: portsOf(process, made, random) };
  }

  /** A place where one worker after another runs. */
  function createSlot(worker: WorkerRules, name: string): Slot {
    let current: Running | undefined;
    let incarnations = 0;

    function begin(): void {
      const { process, ports } = start('worker', `${name}.${++incarnations}`, worker);
      const stopping = new AbortController();
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
    sqs.send(lane, body, isGood ? ask : undefined);
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
        sqs.redrive();
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
    await isEmpty();
    await Promise.all([...slots.map((slot) => slot.stop()), ...mappings.map((one) => one.close())]);
    isOver = true;
  }

  async function isEmpty(): Promise<void> {
    const untilMs = time.now() + longestMs;
    while (sqs.left().length > 0 && time.now() < untilMs) await time.sleep(1000);
  }

  void happen();
  await time.run(() => isOver, time.now() + 2 * longestMs);
  record({ kind: 'ended', left: sqs.left() });
  const { sharesLedger, ledgerCapacity, certificates } = rules;
  const known = { sharesLedger, forgets: ledgerCapacity < certificates + 2 };
  return { history: { seed, startMs, statuses, ...known, happenings }, struck: troubles.struck };
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
