// The real worker, as a process of its own, with the sandbox's environment; and the command that an
// operator has beside it.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { devNull } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createWorkerLog, type WorkerLog } from './worker-log.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of what it wrote on standard error. */
  readonly complaint: string;
}

export interface WorkerProcess extends AsyncDisposable {
  readonly log: WorkerLog;
  /** Aborted when it ends, with its Exit as the reason. */
  readonly ended: AbortSignal;
  /** Asks it to stop, as an orchestrator would; kills it when it takes longer than `withinMs`. */
  readonly stop: (withinMs: number) => Promise<Exit>;
}

const program = fileURLToPath(new URL('../../entry/worker.ts', import.meta.url));
const command = fileURLToPath(new URL('../../entry/cli.ts', import.meta.url));

/** Runs `iot-revoke` to its end; rejects with what it complains of, if it fails. */
export async function runCommand(
  node: string,
  words: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  await promisify(execFile)(node, [command, ...words], { env: environmentOf(variables) });
}

function environmentOf(variables: Readonly<Record<string, string>>): Record<string, string> {
  return { ...variables, AWS_CONFIG_FILE: devNull, AWS_SHARED_CREDENTIALS_FILE: devNull };
}

/**
 * Starts the worker.
 *
 * @param node the executable that runs it
 * @param variables all of its environment: nothing of the person who runs the demo may reach it
 */
export function startWorker(
  node: string,
  variables: Readonly<Record<string, string>>,
): WorkerProcess {
  const child = spawn(node, [program], {
    env: environmentOf(variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWorkerLog();
  createInterface({ input: child.stdout }).on('line', log.add);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  const ending = new AbortController();
  const closed = once(ending.signal, 'abort').then(() => ending.signal.reason as Exit);
  child.on('error', (error) => {
    complaint = error.message; // it could not be started, or not be signalled
  });
  child.on('close', (code, signal) =>
    ending.abort({ code, signal, complaint: complaint.trim() } satisfies Exit),
  );

  const stop = async (withinMs: number): Promise<Exit> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    if (!ending.signal.aborted) child.kill('SIGTERM');
    const exit = await closed;
    clearTimeout(timer);
    return exit;
  };
  return {
    log,
    ended: ending.signal,
    stop,
    [Symbol.asyncDispose]: async () => {
      if (ending.signal.aborted) return;
      child.kill('SIGKILL');
      await closed;
    },
  };
}
