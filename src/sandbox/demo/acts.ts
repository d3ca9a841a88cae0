// The acts: what is sent when, what goes wrong on the way, and what each act waits for.

import type { Fault } from '../fault.ts';
import type { Sandbox } from '../sandbox.ts';
import type { Quota } from '../token-bucket.ts';
import { idsIn, switchedOff, unsettled, updatesIn, type Evidence } from './evidence.ts';
import { floodOf, incidentOf, wasDeferred } from './figures.ts';
import { askedBy, type Letter, type Plan, type Size } from './plan.ts';
import type { Screen } from './screen.ts';
import { seconds } from './text.ts';
import type { WorkerProcess } from './worker-process.ts';

/** What is played, and where it is shown. */
export interface Setting {
  readonly size: Size;
  /** What the control plane grants, and what the worker is told of it. */
  readonly quota: Quota;
  /** Whether AWS fails one certificate for so long that its message goes back to the queue; 10 s more. */
  readonly deferral: boolean;
  readonly screen: Screen;
}

/** What the acts are played with. */
export interface Stage extends Setting {
  readonly plan: Plan;
  readonly evidence: Evidence;
  readonly sandbox: Sandbox;
  readonly worker: Pick<WorkerProcess, 'log'>;
  readonly send: (letters: readonly Letter[]) => Promise<void>;
  /** Changes what the control plane grants. */
  readonly grant: (quota: Quota) => void;
  /** Notes that the alert lane is held. */
  readonly hold: () => void;
  /** Lifts its brake, by the command that an operator has. */
  readonly lift: () => Promise<void>;
  /** Waits for what `goal` names, as long as the demo may go on. */
  readonly until: (goal: string, reached: Promise<void>) => Promise<void>;
}

/** The acts, to be played one after another. */
export function actsOf(stage: Stage): readonly (() => Promise<void>)[] {
  const acts = [prologue, rotation, incident, storm, violation, flood, garbage, epilogue];
  return acts.map((act) => () => act(stage));
}

async function prologue({
  screen,
  quota,
  deferral,
  plan,
  sandbox,
  worker,
  until,
}: Stage): Promise<void> {
  const { say, paint } = screen;
  const certificates = plan.asked.size + plan.bystanders.length;
  say(paint('bold', 'iot-revocation-worker takes device certificates out of service on AWS IoT.'));
  say(`Here: the real worker, ${certificates} real certificates, SQS and AWS IoT on loopback, and`);
  say(`a quota of ${quota.rate} UpdateCertificate calls a second. AWS will fail now and then:`);
  say('500, 503, throttling, a slow answer, and one lost on its way back.');
  say('');
  for (const fault of faultsOf(plan, deferral)) sandbox.iot.inject(fault);
  await until(
    'the worker to start',
    worker.log.waitFor(() => worker.log.notices.includes('started')),
  );
}

/** Fills the quota, and has used up part of it before the next act begins. */
async function rotation(stage: Stage): Promise<void> {
  const { plan, sandbox, send, until } = stage;
  const count = plan.rotation.length;
  announce(stage, 1, `Rotation: ${count} certificates to INACTIVE. They fill the quota.`);
  await send(plan.rotation);
  const some = Math.ceil(count / 10);
  await until(
    `${some} rotation calls`,
    sandbox.iot.waitFor((calls) => updatesIn(calls).length >= some),
  );
}

async function incident(stage: Stage): Promise<void> {
  const { quota, screen, plan, evidence, sandbox, send, until } = stage;
  const count = plan.incident.length;
  announce(stage, 2, `Incident: ${count} stolen keys. REVOKED, now, whatever else is waiting.`);
  await send(plan.incident);
  await until(
    'the incident’s certificates to be REVOKED',
    sandbox.iot.waitFor(() => isDone(plan.incident, sandbox)),
  );
  const figures = incidentOf(evidence, quota.rate);
  if (figures === undefined) return;
  screen.say(
    `       All ${figures.certificates} are dead ${seconds(figures.tookMs)} after the first message.`,
  );
}

/** Duplicates, while the control plane grants less: as when another program takes its share. */
async function storm(stage: Stage): Promise<void> {
  const { size, quota, plan, evidence, sandbox, worker, send, grant, until } = stage;
  const less = quota.rate * 0.4;
  announce(
    stage,
    3,
    `Storm: ${plan.alerts.length} alerts about ${size.alerted} devices; AWS grants ${less} calls/s for a while.`,
  );
  const throttledBefore = throttledIn(stage);
  grant({ rate: less, burst: 1 });
  await send(plan.alerts);
  await until(
    'the control plane to throttle, or the alerts to be settled',
    Promise.race([
      sandbox.iot.waitFor(() => throttledIn(stage) >= throttledBefore + enoughThrottled),
      worker.log.waitFor(() => unsettled(evidence).every(({ letter }) => letter.lane !== 'alert')),
    ]),
  );
  grant(quota);
}

const enoughThrottled = 8;

/** From the alert of one device to its certificates, in AWS's own format and by SNS. */
async function violation(stage: Stage): Promise<void> {
  const { screen, plan, evidence, sandbox, worker, send, until } = stage;
  const isOver = (): boolean => unsettled(evidence).every(({ letter }) => letter.lane !== 'alert');
  await until('the alerts of the storm to be settled', worker.log.waitFor(isOver));
  announce(stage, 4, 'Alert: Device Defender says that pump-7 misbehaves, and no more.');
  const startMs = Date.now();
  await send(plan.violation);
  await until(
    'the certificates of pump-7 to be INACTIVE',
    sandbox.iot.waitFor(() => isDone(plan.violation, sandbox)),
  );
  const count = plan.violation.flatMap(askedBy).length;
  screen.say(
    `       Its ${count} certificates are INACTIVE ${seconds(Date.now() - startMs)} later.`,
  );
}

/** Alerts that would switch the fleet off, an incident among them, and a person who lets them go. */
async function flood(stage: Stage): Promise<void> {
  const { size, screen, plan, evidence, sandbox, worker, send, hold, lift, until } = stage;
  const { ceiling } = size;
  announce(
    stage,
    5,
    `Flood: ${plan.alarms.length} false alarms. Alerts may switch off ${ceiling} certificates an hour.`,
  );
  await send(plan.alarms);
  await until(
    'the alert lane to stand at its ceiling',
    worker.log.waitFor(() => worker.log.notices.includes('brake')),
  );
  hold();
  await until(
    `${ceiling} certificates of alerts to be out of service`,
    sandbox.iot.waitFor(() => switchedOff(evidence, Infinity) >= ceiling),
  );
  await send(plan.theft);
  await until(
    'the stolen keys to be REVOKED',
    sandbox.iot.waitFor(() => isDone(plan.theft, sandbox)),
  );
  await lift();
  const figures = floodOf(evidence);
  if (figures === undefined) return;
  const { held, switchedOff: off, stolen } = figures;
  screen.say(`       At ${off} the lane stops: ${held} alerts wait in their queue. Meanwhile`);
  screen.say(
    `       ${stolen.certificates} more stolen keys are dead ${seconds(stolen.tookMs)} after their first message.`,
  );
  screen.say('       Somebody looks at it, and lets go: iot-revoke brake lift alert');
}

function isDone(letters: readonly Letter[], { iot }: Sandbox): boolean {
  return letters
    .flatMap(askedBy)
    .every(({ certificateId, newStatus }) => iot.status(certificateId) === newStatus);
}

async function garbage(stage: Stage): Promise<void> {
  const { plan, send } = stage;
  announce(stage, 6, `Garbage: ${plan.unusable.length} bodies that nobody can use.`);
  await send(plan.unusable);
}

async function epilogue({ screen, evidence, worker, until }: Stage): Promise<void> {
  const { log } = worker;
  screen.say('       What waited drains, the rotation with it, at the pace that AWS grants.');
  await until(
    'the rotation and the alerts',
    log.waitFor(() => unsettled(evidence).every(({ messageId }) => hasFailed(messageId))),
  );
  const left = unsettled(evidence).length;
  if (left > 0) {
    screen.say(
      `       ${left} left, back in its queue after failed attempts. It comes again soon.`,
    );
  }
  await until(
    'all messages to be settled',
    log.waitFor(() => unsettled(evidence).length === 0),
  );

  function hasFailed(messageId: string): boolean {
    return log.events.some((event) => idsIn(event).includes(messageId) && wasDeferred(event));
  }
}

function announce({ screen }: Stage, act: number, text: string): void {
  screen.say(`${screen.paint('bold', `Act ${act}`)}  ${text}`);
}

function throttledIn({ evidence }: Stage): number {
  return evidence.calls.filter(({ answer }) => answer === 'ThrottlingException').length;
}

/** One of each that AWS IoT has to offer, each upon a certificate of its own. */
function faultsOf({ rotation, incident, alerts }: Plan, deferral: boolean): readonly Fault[] {
  const internal = { kind: 'exception', name: 'InternalFailureException' } as const;
  const unavailable = { kind: 'exception', name: 'ServiceUnavailableException' } as const;
  return [
    { ...upon(rotation[1]), kind: 'slow', ms: 1500 },
    { ...upon(rotation[3]), ...internal, times: 2 },
    // As often as the worker tries before it gives the message back to the queue.
    ...(deferral ? [{ ...upon(rotation[5]), ...unavailable, times: 5 }] : []),
    { ...upon(incident[4]), ...unavailable },
    { ...upon(incident[9]), kind: 'reset', when: 'after-applying' },
    { ...upon(alerts[2]), ...internal },
  ];
}

function upon(letter: Letter | undefined): Pick<Fault, 'operation' | 'certificateId'> {
  return {
    operation: 'UpdateCertificate',
    certificateId: letter?.request?.certificateId ?? '',
  };
}
