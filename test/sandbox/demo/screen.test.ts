import { describe, expect, test } from 'vitest';
import { plainScreen, terminalScreen } from '../../../src/sandbox/demo/screen.ts';
import { progressOf } from '../../../src/sandbox/demo/progress.ts';
import type { Paint } from '../../../src/sandbox/demo/text.ts';
import { nothingSeen } from './evidence.ts';

const plain: Paint = (_style, text) => text;
const progress = progressOf(nothingSeen, { nowMs: 7000, startMs: 0 });

describe('a screen that is no terminal', () => {
  test('keeps every line, and has no control characters', () => {
    const written: string[] = [];
    using screen = plainScreen((text) => written.push(text), plain);
    screen.say('Act 1');
    screen.show(progress);
    screen.say('Act 2');
    expect(written).toEqual([
      'Act 1\n',
      '  7 s  incident 0/0  alert 0/0  rotation 0/0  0 calls/s of 10\n',
      'Act 2\n',
    ]);
  });
});

describe('a terminal', () => {
  test('shows live lines below those that stay, and leaves only these', () => {
    const terminal = createTerminal();
    using screen = terminalScreen(terminal.stream, plain);
    screen.say('Act 1');
    screen.show(progress);
    expect(terminal.lastWritten()).toContain('7 s');
    screen.say('Act 2');
    expect(terminal.lastWritten()).toContain('7 s'); // shown again at once, further down
    screen.show({ ...progress, elapsedMs: 8000 });
    expect(terminal.lastWritten()).toContain('8 s');
    screen.hide();
    expect(terminal.lastWritten()).toContain('\u001B[2K'); // erased
    screen.say('The end');
    expect(terminal.lastWritten()).toMatch(/The end\n(?!.* s )/); // and nothing below
  });
});

function createTerminal() {
  const written: string[] = [];
  const stream = {
    isTTY: true,
    columns: 80,
    rows: 24,
    write: (text: string) => written.push(text),
  };
  return {
    stream: stream as unknown as NodeJS.WriteStream,
    lastWritten: () => written.at(-1),
  };
}
