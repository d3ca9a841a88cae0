import { describe, expect, test } from 'vitest';
import { createWorkerLog, readLine } from '../../../src/sandbox/demo/worker-log.ts';
import { eventOf } from './evidence.ts';

describe('a line of the worker’s log', () => {
  test('is the event of a message, with all its fields', () => {
    const event = eventOf('a', { outcome: 'covered' });
    expect(readLine(JSON.stringify(event))).toEqual({ kind: 'message', event });
  });

  test('is a notice by its name', () => {
    const line = '{"level":"info","event":"started","msg":"working"}';
    expect(readLine(line)).toEqual({ kind: 'notice', name: 'started' });
  });

  test.each(['', 'Killed', '7', 'null', '[]', '{"level":"info"}', '{"event":"mess'])(
    'is a stray when it is %j',
    (line) => {
      expect(readLine(line)).toEqual({ kind: 'stray' });
    },
  );
});

describe('the worker’s log', () => {
  test('keeps events and notices apart, in order, and no strays', () => {
    const log = createWorkerLog();
    const events = [eventOf('a'), eventOf('b')];
    log.add('{"event":"started"}');
    log.add(JSON.stringify(events[0]));
    log.add('oops');
    log.add(JSON.stringify(events[1]));
    expect(log).toMatchObject({ events, notices: ['started'] });
  });

  test('wakes who waits, with the line that makes it true', async () => {
    const log = createWorkerLog();
    const two = log.waitFor(() => log.events.length === 2).then(() => log.events.length);
    for (const id of ['a', 'b', 'c']) {
      log.add(JSON.stringify(eventOf(id)));
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(await two).toBe(2);
  });

  test('lets nobody wait for what is true already', async () => {
    const log = createWorkerLog();
    log.add('{"event":"started"}');
    await log.waitFor(() => log.notices.includes('started'));
  });
});
