#!/usr/bin/env node
// `iot-revoke`, from the command line.

import './node-version.ts';
import { readFile } from 'node:fs/promises';
import { constants, userInfo } from 'node:os';
import { text } from 'node:stream/consumers';
import { askAccountId } from '../aws/account.ts';
import { createProducer } from '../aws/producer.ts';
import { runProgram } from '../command/program.ts';
import manifest from '../../package.json' with { type: 'json' };
import { systemClock } from './clock.ts';

// Whoever reads us may have read enough, e.g. `| head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runProgram(process.argv.slice(2), {
  version: manifest.version,
  environment: process.env,
  userName: userName(),
  readText,
  runWorker: async () => {
    await import('./worker.ts');
  },
  openQueue: createProducer,
  // Only then: it takes longer to load than a responder's `send` need wait.
  openArchive: async (table) => (await import('../aws/ledger-audit.ts')).openArchive(table),
  openBrake: async (table) => (await import('../aws/brake-table.ts')).openBrake(table, Date.now),
  askAccountId,
  wallClock: Date.now,
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
  write: (help) => process.stdout.write(help),
  writeError: (usage) => process.stderr.write(usage),
  clock: systemClock,
  random: Math.random,
  interruption,
});

/** Asked to stop once, we stop sending and say what was not sent; asked twice, we end at once. */
function interruption(): AbortSignal {
  const interrupted = new AbortController();
  function interrupt(signal: NodeJS.Signals): void {
    if (interrupted.signal.aborted) process.exit(128 + constants.signals[signal]);
    interrupted.abort();
  }
  process.on('SIGTERM', interrupt).on('SIGINT', interrupt);
  return interrupted.signal;
}

async function readText(file: string | undefined): Promise<string> {
  if (file !== undefined) return readFile(file, 'utf8');
  if (process.stdin.isTTY) console.error('Certificates, one per line; Ctrl-D ends the list:');
  return text(process.stdin);
}

/** A user that the system does not list, as in some containers, has none. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
