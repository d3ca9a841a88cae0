// `npm run demo`: the worker at work, on loopback, in less than a minute. Exits 0 if every check held.

import { constants } from 'node:os';
import { styleText } from 'node:util';
import { fullDemo, runDemo } from '../sandbox/demo/demo.ts';
import { plainScreen, terminalScreen, type Screen } from '../sandbox/demo/screen.ts';
import type { Paint } from '../sandbox/demo/text.ts';

const ending = new AbortController();
/** What to exit with, once something has ended the demo early. */
let earlyExitCode: number | undefined;
function end(exitCode: number): void {
  earlyExitCode ??= exitCode;
  ending.abort();
}
// Every time: npm passes the terminal's Ctrl-C on, so that we get it twice.
function onSignal(signal: NodeJS.Signals): void {
  end(128 + constants.signals[signal]);
}
process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
process.stdout.on('error', () => end(1)); // nobody reads on, e.g. `npm run demo | head`

// styleText looks at NO_COLOR and FORCE_COLOR, and whether it writes to a terminal.
const paint: Paint = (style, text) => styleText(style, text, { stream: process.stdout });
const isTerminal = process.stdout.isTTY && process.env['TERM'] !== 'dumb';

try {
  using screen: Screen = isTerminal
    ? terminalScreen(process.stdout, paint)
    : plainScreen((text) => process.stdout.write(text), paint);
  const passed = await runDemo({
    ...fullDemo,
    node: process.execPath,
    screen,
    signal: ending.signal,
  });
  process.exitCode = passed ? 0 : 1;
} catch (error) {
  if (earlyExitCode === undefined) throw error;
  process.exitCode = earlyExitCode;
  process.stderr.write('Interrupted. The worker and the sandbox are stopped.\n');
}
