// The demo itself: the real worker in a process of its own, in a short form.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { env, execPath, kill } from 'node:process';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { runDemo, type Demo } from '../../../src/sandbox/demo/demo.ts';
import { plainScreen } from '../../../src/sandbox/demo/screen.ts';

// Starting Node with type stripping takes a second or more on a busy machine.
const patience = { timeout: 60_000 };

const short: Omit<Demo, 'screen'> = {
  size: {
    rotation: 40,
    incident: 12,
    alerts: 90,
    alerted: 6,
    shared: 2,
    alarms: 12,
    stolen: 3,
    ceiling: 13,
    bystanders: 3,
  },
  quota: { rate: 100, burst: 100 },
  deferral: false,
  longestMs: 30_000,
  node: execPath,
  signal: new AbortController().signal,
};

describe('the demo', () => {
  test('ends with every check held, and figures that add up', patience, async () => {
    const { lines, passed } = await play({});
    expect(lines.filter((line) => /^(?:✗| {4}\S)/.test(line))).toEqual([]);
    expect(passed).toBe(true);
    const figure = (label: string): number =>
      Number(new RegExp(`^${label} +([\\d.]+)`, 'm').exec(lines.join('\n'))?.[1]);
    expect(figure('Requests')).toBe(40 + 12 + 90 + 1 + 12 + 3 + figure('Dead letters'));
    expect(figure('Incident')).toBeGreaterThan(0);
    expect(figure('Throttled')).toBeGreaterThan(0);
    expect(figure('Merged')).toBeGreaterThan(90 / 2);
    expect(figure('Held')).toBe(6 + 3 + 12 - 13);
    expect(figure('Retried')).toBe(5);
    expect(lines.filter((line) => line.startsWith('✓'))).toHaveLength(6);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  test('fails when it takes too long, and says what it waited for', patience, async () => {
    const { lines, passed } = await play({ longestMs: 1 });
    expect(passed).toBe(false);
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^ {4}0.001 s were over while it waited for .*; messages without an end: /,
      ),
    );
  });

  test('fails when the worker does not start, and says why', patience, async () => {
    const { lines, passed } = await play({ node: '/no/such/node' });
    expect(passed).toBe(false);
    expect(lines).toContainEqual(
      expect.stringContaining('the worker ended by itself while it waited for the worker to start'),
    );
    expect(lines).toContainEqual(expect.stringContaining('ENOENT'));
  });

  test('ends at once when it is told to', patience, async () => {
    const ending = new AbortController();
    const playing = play({
      signal: ending.signal,
      onLine: (line) => {
        if (line.startsWith('Act 1')) ending.abort(new Error('enough'));
      },
    });
    await expect(playing).rejects.toThrow('enough');
  });
});

describe('npm run demo', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('on %s exits %i, and leaves no process behind', patience, async (signal, code) => {
    const demo = spawn(execPath, ['src/entry/demo.ts'], {
      detached: true, // a process group of its own, to see whether any of it is left
      env: { ...env, AWS_PROFILE: 'nobody', REDIS_URL: 'redis://nowhere' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    demo.stderr.resume();
    const exit = once(demo, 'exit');
    for await (const line of createInterface({ input: demo.stdout })) {
      if (line.startsWith('Act 2')) break; // the worker works
    }
    demo.stdout.resume();
    demo.kill(signal);
    demo.kill(signal); // npm passes on what the terminal has sent already
    expect(await exit).toEqual([code, null]);
    expect(() => kill(-(demo.pid ?? 0), 0)).toThrow('ESRCH');
  });
});

async function play({
  onLine = () => undefined,
  ...changes
}: Partial<Demo> & { readonly onLine?: (line: string) => void }): Promise<{
  readonly lines: readonly string[];
  readonly passed: boolean;
}> {
  const lines: string[] = [];
  using screen = plainScreen(
    (text) => {
      lines.push(text.trimEnd());
      onLine(text);
    },
    (_style, text) => text,
  );
  const passed = await runDemo({ ...short, ...changes, screen });
  return { lines, passed };
}
