// `npm start`: the long-polling worker, from the environment.

import { constants } from 'node:os';
import { lanes } from '../lane.ts';
import { work } from '../worker.ts';
import { CannotStart, wire, type Wired } from './wire.ts';

/** npm forwards the signals that the terminal has sent us already: one wish, heard twice, ms. */
const echoMs = 200;

const stopping = new AbortController();
let askedAtMs = Infinity;
let isWorking = false;
process.on('SIGTERM', stop).on('SIGINT', stop);

function stop(signal: NodeJS.Signals): void {
  // Nothing to finish, or asked twice.
  if (!isWorking || performance.now() - askedAtMs > echoMs) {
    process.exit(128 + constants.signals[signal]);
  }
  askedAtMs = Math.min(askedAtMs, performance.now());
  stopping.abort(`stopping on ${signal}`);
}

try {
  const wired = await wire(stopWithoutLog);
  const problems = await wired.problems();
  if (problems.length > 0) throw new CannotStart(problems);
  isWorking = true;
  await run(wired);
  process.exit(process.exitCode ?? 0); // whatever the cut-off left open must not keep us
} catch (error) {
  if (!(error instanceof CannotStart)) throw error;
  console.error(error.message);
  process.exit(1);
}

async function run({ config, log, ports, openBrake }: Wired): Promise<void> {
  stopping.signal.addEventListener('abort', () =>
    log.write(
      'info',
      { event: 'stopping', cause: stopping.signal.reason },
      'receiving no more; waiting for what is under way (a second signal ends at once)',
    ),
  );
  const { accountId, region } = ports.deployment;
  const served = lanes.filter((lane) => config.queueUrls[lane] !== undefined);
  const { callsPerSecond } = config;
  log.write(
    'info',
    { event: 'started', lanes: served, accountId, region, callsPerSecond },
    'working; Ctrl-C or SIGTERM stops',
  );
  const brake = openBrake(stopping.signal);
  const { unsettled } = await work({ ...ports, brake }, config.stopTimeoutSeconds, stopping.signal);
  if (unsettled === 0) log.write('info', { event: 'stopped' }, 'stopped; every message is settled');
  else {
    log.write(
      'warn',
      { event: 'stopped', unsettled },
      'stopped in time; these messages come back to the queue by themselves',
    );
  }
}

/** Nothing is revoked that nobody can read of: what has not been settled goes back. */
function stopWithoutLog(error: Error): void {
  if (process.exitCode === undefined)
    console.error(`stopping: the log cannot be written (${error.message})`);
  process.exitCode = 1;
  stopping.abort('the log cannot be written');
}
