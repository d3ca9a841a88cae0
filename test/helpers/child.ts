// A program of ours in a process of its own: what it logs, and how it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { bareEnvironment } from '../sandbox/command.ts';

export type Line = Readonly<Record<string, unknown>>;

export interface Child {
  /** The JSON lines on its standard output so far. */
  readonly lines: readonly Line[];
  /** The lines of one event. */
  readonly of: (event: string) => readonly Line[];
  /** Resolves once the predicate holds of the lines; rejects when the process ends before. */
  readonly waitFor: (predicate: (lines: readonly Line[]) => boolean) => Promise<void>;
  readonly stderr: () => string;
  /** From now on nobody reads its standard output. */
  readonly stopReading: () => void;
  /** Its exit code, or the signal that ended it; once all of its output has been read. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Sends it a message, and resolves with the next that it sends. */
  readonly ask: (question: object) => Promise<unknown>;
}

/** Starts a file of this project. What is left of it when the test is over is killed. */
export function startChild(file: string, environment: Readonly<Record<string, string>>): Child {
  const { AWS_MAX_ATTEMPTS: _attempts, ...bare } = bareEnvironment;
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const child = spawn(process.execPath, [path], {
    env: { ...bare, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  if (child.stdout === null || child.stderr === null) throw new Error('no output to read');
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: Line[] = [];
  const waiters = new Set<() => void>();
  let stderr = '';
  let isOver = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  createInterface(child.stdout).on('line', (text) => {
    lines.push(JSON.parse(text) as Line);
    for (const look of waiters) look();
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => {
      isOver = true;
      resolve(code ?? signal ?? -1);
      for (const look of waiters) look();
    });
  });
  return {
    lines,
    of: (event) => lines.filter((line) => line['event'] === event),
    waitFor: (predicate) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const holds = predicate(lines);
          if (!holds && !isOver) return;
          waiters.delete(look);
          if (holds) resolve();
          else reject(new Error(`the process ended: ${stderr}${JSON.stringify(lines)}`));
        };
        waiters.add(look);
        look();
      }),
    stderr: () => stderr,
    stopReading: () => void child.stdout?.destroy(),
    ended,
    kill: (signal) => void child.kill(signal),
    ask: async (question) => {
      const answered = once(child, 'message');
      child.send(question);
      const [answer] = await answered;
      return answer;
    },
  };
}
