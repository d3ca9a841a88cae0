// A program of ours in a process of its own: its lines as they come, its resources, and its end.

import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '../sandbox/command.ts';
import type { Line } from './history.ts';

export interface Program {
  /** Resolves with its exit code, or the signal that ended it, once all of its output has been read. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly isOver: () => boolean;
  readonly stderr: () => string;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Sends it a message, and resolves with the next that it sends; undefined if it ends before. */
  readonly ask: (question: object) => Promise<unknown>;
  /** What it holds of the machine now. */
  readonly holds: () => Holding;
}

export interface Holding {
  /** Resident memory. */
  readonly rssKiB: number;
  /** Open files, pipes and sockets. */
  readonly handles: number;
}

export interface ProgramOptions {
  /** A file of this project. */
  readonly file: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Called for each line on its standard output; `torn` for what is no JSON. */
  readonly onLine: (line: Line) => void;
  /** Called whenever it writes to its standard error. */
  readonly onComplaint: () => void;
  /** Its standard output goes into this file instead, and is not read. */
  readonly output?: string;
  /** No file that it writes may grow beyond this: for its log, the disk is full then. */
  readonly diskKiB?: number;
}

export function startProgram(options: ProgramOptions): Program {
  const { file, environment, onLine, onComplaint, output, diskKiB } = options;
  const { AWS_MAX_ATTEMPTS: _attempts, ...bare } = bareEnvironment;
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const out = output === undefined ? undefined : openSync(output, 'a');
  const stdio: StdioOptions = ['ignore', out ?? 'pipe', 'pipe', 'ipc'];
  const env = { ...bare, ...environment };
  const child =
    diskKiB === undefined
      ? spawn(process.execPath, [path], { env, stdio })
      : spawn('bash', ['-c', `ulimit -f ${diskKiB}; exec "$0" "$1"`, process.execPath, path], {
          env,
          stdio,
        });
  if (out !== undefined) closeSync(out);
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let isOver = false;
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onComplaint();
  });
  // Not by node:readline, for which a line also ends at U+2028, which JSON may hold as it is.
  let begun = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const [first = '', ...others] = text.split('\n');
    const whole = [begun + first, ...others];
    begun = whole.pop() ?? '';
    for (const line of whole) onLine(lineOf(line));
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => {
      if (begun !== '') onLine(lineOf(begun));
      isOver = true;
      process.off('exit', kill);
      resolve(code ?? signal ?? -1);
    });
  });
  return {
    ended,
    isOver: () => isOver,
    stderr: () => stderr,
    signal: (signal) => void child.kill(signal),
    ask: async (question) => {
      const answered = once(child, 'message').then(([answer]: unknown[]) => answer);
      child.send(question, () => undefined); // that it is gone, `ended` tells
      return Promise.race([answered, ended.then(() => undefined)]);
    },
    holds: () => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return {
        rssKiB: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
        handles: readdirSync(`/proc/${child.pid}/fd`).length,
      };
    },
  };
}

/** The lines of a log, as far as they were written. */
export function linesIn(log: string): readonly Line[] {
  return log.split('\n').flatMap((text) => (text === '' ? [] : [lineOf(text)]));
}

function lineOf(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return { event: 'torn', text }; // whoever is killed may have written half of it
  }
}
