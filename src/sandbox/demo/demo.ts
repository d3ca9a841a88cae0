// The demo: the real worker against real SQS and AWS IoT protocols on loopback, through six acts
// and a handful of faults, ending in figures that are measured and checks that can fail.

import { startSandbox } from '../sandbox.ts';
import { actsOf, type Setting, type Stage } from './acts.ts';
import { checksOf, type Aftermath } from './checks.ts';
import { unsettled, type Evidence, type Grant, type QueueName, type Sent } from './evidence.ts';
import { figuresOf } from './figures.ts';
import { openMail, type Mail } from './mail.ts';
import { fleetSize, planOf } from './plan.ts';
import { progressOf } from './progress.ts';
import { summaryOf } from './summary.ts';
import { runCommand, startWorker, type WorkerProcess } from './worker-process.ts';

export interface Demo extends Setting {
  /** How long all acts together may take, ms. */
  readonly longestMs: number;
  /** The executable that runs the worker. */
  readonly node: string;
  /** Ends the demo: it cleans up, and rejects with the reason. */
  readonly signal: AbortSignal;
}

/** As `npm run demo` plays it, at the quota that AWS gives an account. */
export const fullDemo: Pick<Demo, 'size' | 'quota' | 'deferral' | 'longestMs'> = {
  size: {
    rotation: 100,
    incident: 30,
    alerts: 500,
    alerted: 15,
    shared: 4,
    alarms: 60,
    stolen: 10,
    ceiling: 40,
    bystanders: 20,
  },
  quota: { rate: 10, burst: 10 },
  deferral: true,
  longestMs: 55_000,
};

/** Plays the demo, and tells whether every check held. */
export async function runDemo(demo: Demo): Promise<boolean> {
  const { size, quota, screen, signal } = demo;
  await using sandbox = await startSandbox({ quota });
  const { iot } = sandbox;
  const plan = planOf(await iot.seed({ count: fleetSize(size) }), size, iot);
  for (const thing of plan.things) iot.enterThing(thing);
  await using worker = startWorker(demo.node, {
    ...sandbox.environment,
    ALERT_CEILING_PER_HOUR: String(size.ceiling),
    UPDATE_CERTIFICATE_TPS: String(quota.rate),
    STOP_TIMEOUT_SECONDS: '5', // its polls are shorter then, and so is the wait for the last one
  });
  using mail = openMail(sandbox);
  const evidence: Recording = {
    sent: [],
    events: worker.log.events,
    calls: iot.calls,
    grants: [{ atMs: Date.now(), rate: quota.rate }],
    brake: {},
  };

  const trouble = await play(demo, worker, mail, { ...demo, plan, evidence, sandbox });
  const exit = await orAborted(worker.stop(longestStopMs), signal);
  const queues = await lookInto(mail);
  const { ceiling } = size;
  const aftermath: Aftermath = { ceiling, plan, evidence, status: iot.status, exit, ...queues };
  const checks = checksOf(trouble === undefined ? aftermath : { ...aftermath, trouble });
  const figures = figuresOf(evidence, queues.deadLetters, quota.rate);
  for (const line of summaryOf(figures, checks, screen.paint)) screen.say(line);
  return checks.every(({ problems }) => problems.length === 0);
}

/** Evidence that is being gathered. */
type Recording = Evidence & {
  readonly sent: Sent[];
  readonly grants: Grant[];
  readonly brake: { heldAtMs?: number; liftedAtMs?: number };
};

/** A stop takes its STOP_TIMEOUT_SECONDS at most; what takes longer is stuck. */
const longestStopMs = 7000;

/** Plays the acts; tells what kept them from their end, if anything did. */
async function play(
  { longestMs, node, signal }: Demo,
  worker: WorkerProcess,
  mail: Mail,
  props: Setting & Pick<Stage, 'plan' | 'sandbox'> & { readonly evidence: Recording },
): Promise<string | undefined> {
  const { evidence, sandbox } = props;
  const deadline = AbortSignal.timeout(longestMs);
  const over = AbortSignal.any([signal, deadline, worker.ended]);
  let goal = 'the first act';
  const stage: Stage = {
    ...props,
    worker,
    send: async (letters) => {
      evidence.sent.push(...(await orAborted(mail.send(letters), over)));
    },
    grant: (quota) => {
      evidence.grants.push({ atMs: Date.now(), rate: quota.rate });
      sandbox.iot.setQuota(quota);
    },
    hold: () => {
      evidence.brake.heldAtMs = Date.now();
    },
    lift: async () => {
      evidence.brake.liftedAtMs = Date.now();
      const lifted = runCommand(node, ['brake', 'lift', 'alert'], sandbox.environment);
      await orAborted(lifted, over);
    },
    until: async (wanted, reached) => {
      goal = wanted;
      await orAborted(reached, over);
    },
  };
  using _ticker = startTicker(stage);
  try {
    for (const act of actsOf(stage)) await act();
    return undefined;
  } catch (error) {
    if (signal.aborted || !over.aborted) throw error;
    const why = deadline.aborted ? `${longestMs / 1000} s were over` : 'the worker ended by itself';
    return `${why} while it waited for ${goal}; ${openText(evidence)}`;
  }
}

function openText(evidence: Evidence): string {
  const open = Map.groupBy(unsettled(evidence), ({ letter }) => letter.lane);
  const parts = [...open].map(([lane, all]) => `${all.length} ${lane}`);
  return `messages without an end: ${parts.join(', ') || 'none'}`;
}

function startTicker({ screen, evidence }: Stage): Disposable {
  const startMs = Date.now();
  const timer = setInterval(() => {
    screen.show(progressOf(evidence, { nowMs: Date.now(), startMs }));
  }, screen.everyMs);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      screen.hide();
    },
  };
}

async function lookInto(mail: Mail): Promise<Pick<Aftermath, 'counts' | 'deadLetters'>> {
  const names: readonly QueueName[] = ['incident', 'alert', 'rotation', 'deadLetter'];
  const counts = await Promise.all(names.map(async (name) => [name, await mail.count(name)]));
  return {
    counts: Object.fromEntries(counts) as Aftermath['counts'],
    deadLetters: await mail.deadLetters(),
  };
}

/** The promise's value, unless the signal aborts before: then a rejection with its reason. */
async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
