// Who takes part: a process each, pointed at the servers by the environment alone.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import type { Lane } from '../../src/lane.ts';
import { bareEnvironment } from '../sandbox/command.ts';
import { endWithUs } from './children.ts';

export interface Contestant {
  readonly name: string;
  readonly file: string;
  readonly isOurs: boolean;
  /** Whether an external pacer stands before its calls. */
  readonly isPaced: boolean;
  /** How V8 is to run it. */
  readonly nodeOptions?: readonly string[];
}

/** What a contestant is told of its task. */
export interface Told {
  readonly lanes: readonly Lane[];
  /** The quota, calls per second. */
  readonly tps: number;
  /** Polls at the same time, for the peers; ours finds its own number. */
  readonly pollers: number;
  /** Settings of ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Node's options in `npm start`. */
const startOptions = manifest.scripts.start.split(' ').filter((word) => word.startsWith('--'));

export const ours: Contestant = {
  name: 'this worker',
  file: '../../src/entry/worker.ts',
  isOurs: true,
  isPaced: false,
  nodeOptions: startOptions,
};

const peer = (name: string, file: string): Contestant => ({
  name,
  file: `./peers/${file}`,
  isOurs: false,
  isPaced: false,
});

export const peers: readonly Contestant[] = [
  peer('SDK loop, standard retries', 'sdk-standard.ts'),
  peer('SDK loop, adaptive retries', 'sdk-adaptive.ts'),
  peer('sqs-consumer 15 + p-limit', 'sqs-consumer.ts'),
  peer('squiss-ts 5', 'squiss.ts'),
  peer('Powertools batch + idempotency', 'powertools.ts'),
];

export const pacedPeers: readonly Contestant[] = peers.map(({ name, file }) => ({
  name: `${name}, paced`,
  file,
  isOurs: false,
  isPaced: true,
}));

/** The fastest of them, as Node runs us: they may have what our own start gets. */
export const tunedPeers: readonly Contestant[] = peers.slice(0, 2).map(({ name, file }) => ({
  name: `${name}, Node as ours`,
  file,
  isOurs: false,
  isPaced: false,
  nodeOptions: startOptions,
}));

/** Not a contestant: SDK and HTTP alone, no logic, no retries. */
export const bare: Contestant = peer('(SDK and HTTP alone)', 'bare.ts');

export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** What it wrote on standard error. */
  readonly complaints: () => string;
}

const urlOf: Readonly<Record<Lane, string>> = {
  incident: 'INCIDENT_QUEUE_URL',
  alert: 'ALERT_QUEUE_URL',
  rotation: 'ROTATION_QUEUE_URL',
};

/** Starts a contestant; it is stopped when disposed of. */
export function start(
  contestant: Contestant,
  servers: Readonly<Record<string, string>>,
  { lanes, tps, pollers, settings }: Told,
  moreNodeOptions: readonly string[] = [],
): Running {
  const { AWS_MAX_ATTEMPTS: _attempts, ...bareOfAws } = bareEnvironment;
  const unused = Object.keys(urlOf).filter((lane) => !lanes.includes(lane as Lane));
  const queues = Object.fromEntries(unused.map((lane) => [urlOf[lane as Lane], '']));
  const options = [...(contestant.nodeOptions ?? []), ...moreNodeOptions];
  const child = spawn(
    process.execPath,
    [...options, fileURLToPath(new URL(contestant.file, import.meta.url))],
    {
      env: {
        ...bareOfAws,
        ...servers,
        ...queues,
        ...(contestant.isOurs
          ? { UPDATE_CERTIFICATE_TPS: String(tps), ...settings }
          : { POLLERS: String(pollers), ...(contestant.isPaced && { PACER_TPS: String(tps) }) }),
      },
      // Ours writes a line for each message, and pays for it; what the line says is not needed here.
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  endWithUs(child);
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  if (child.pid === undefined) throw new Error(`${contestant.name} could not be started`);
  return {
    pid: child.pid,
    complaints: () => complaints,
    // A profile is written by a process that ends by itself.
    [Symbol.asyncDispose]: () => stop(child, moreNodeOptions.length > 0 ? 'SIGINT' : 'SIGKILL'),
  };
}

/** Its servers end with it, so that nobody else gets what it holds. */
async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 8000);
  await ended;
  clearTimeout(timer);
}
