import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Failure } from '../src/call.ts';
import { createSharedLedger, type LedgerTable, type TableAnswer } from '../src/shared-ledger.ts';
import { createVirtualClock, type VirtualClock } from './helpers/clock.ts';
import { askedOf, coveredEntryOf, ledgerEntryOf, proofOf } from './helpers/ledger.ts';
import { createFakeLog } from './helpers/log.ts';
import { certificateIdOf } from './helpers/message.ts';

const failure: Failure = { kind: 'throttled', name: 'ThrottlingException', message: 'slow down' };

/** How a table takes what it is asked: at once, after so many ms, never, or not at all. */
type Mood = 'answers' | 'fails' | 'hangs' | 'is broken' | number;

interface FakeTable extends LedgerTable {
  readonly mood: { reads: Mood; writes: Mood; files: Mood };
  /** What it was asked, in order. */
  readonly asked: readonly string[];
  /** The incident that a certificate's item is filed under already. */
  standing: string | undefined;
}

function createFakeTable(clock: VirtualClock): FakeTable {
  const asked: string[] = [];
  const table: FakeTable = {
    mood: { reads: 'answers', writes: 'answers', files: 'answers' },
    asked,
    standing: undefined,
    read: (ids) => {
      asked.push(`read ${ids.map(nameOf).join(' ')}`);
      return taken(table.mood.reads, () =>
        ids.map((id) => [proofOf({ messageId: `for ${nameOf(id)}` })]),
      );
    },
    write: ({ certificateId }, incidentId) => {
      asked.push(['write', nameOf(certificateId), incidentId].join(' ').trimEnd());
      const stands = table.standing ?? incidentId;
      return taken(table.mood.writes, () => (stands === undefined ? {} : { incidentId: stands }));
    },
    file: ({ certificateId }, incidentId) => {
      asked.push(`file ${nameOf(certificateId)} ${incidentId}`);
      return taken(table.mood.files, () => 'filed');
    },
  };
  function taken<T>(mood: Mood, value: () => T): Promise<TableAnswer<T>> {
    switch (mood) {
      case 'answers':
        return Promise.resolve({ kind: 'answered', value: value() });
      case 'fails':
        return Promise.resolve({ kind: 'failed', failure });
      case 'hangs':
        return new Promise(() => undefined);
      case 'is broken':
        throw new TypeError('no such thing');
      default:
        return clock.sleep(mood).then(() => ({ kind: 'answered', value: value() }));
    }
  }
  return table;
}

const nameOf = (certificateId: string): string => `c${Number.parseInt(certificateId.slice(1), 16)}`;

function setup() {
  const clock = createVirtualClock();
  const table = createFakeTable(clock);
  const log = createFakeLog();
  const shared = createSharedLedger({ table, log, clock });
  /** Whether something has resolved by now, and with what. */
  function watched<T>(work: Promise<T>): { isOver: boolean; value?: T } {
    const state: { isOver: boolean; value?: T } = { isOver: false };
    void work.then((value) => Object.assign(state, { isOver: true, value }));
    return state;
  }
  const warnings = () => log.lines.filter(({ level }) => level === 'warn');
  const recall = async (n = 0) => clock.run(shared.recall(certificateIdOf(n)));
  const record = async (incidentIds: readonly string[] = []) =>
    clock.run(shared.record(entryAskedFor(incidentIds)));
  return { clock, table, log, shared, watched, warnings, recall, record };
}

function entryAskedFor(incidentIds: readonly string[]) {
  const asked = incidentIds.map((incidentId, n) => askedOf({ messageId: `m${n}`, incidentId }));
  return ledgerEntryOf({ asked: asked.length === 0 ? [askedOf()] : asked });
}

describe('recalling', () => {
  test('asks once for all updates that open together, and gives each its own', async () => {
    const { shared, table, clock } = setup();
    const both = Promise.all([0, 1].map((n) => shared.recall(certificateIdOf(n))));
    expect(await clock.run(both)).toMatchObject([
      [{ messageId: 'for c0' }],
      [{ messageId: 'for c1' }],
    ]);
    expect(table.asked).toEqual(['read c0 c1']);
  });

  test('asks for no more certificates at once than DynamoDB takes', async () => {
    const { shared, table, clock } = setup();
    const all = Promise.all(
      Array.from({ length: 150 }, (_, n) => shared.recall(certificateIdOf(n))),
    );
    expect(await clock.run(all)).toHaveLength(150);
    expect(table.asked.map((asked) => asked.split(' c').length - 1)).toEqual([100, 50]);
  });

  test('asks again each time: what others do is news', async () => {
    const { table, recall } = setup();
    await recall();
    await recall();
    expect(table.asked).toEqual(['read c0', 'read c0']);
  });

  test('stands before a call for no longer than 250 ms', async () => {
    const { shared, table, clock, watched } = setup();
    table.mood.reads = 'hangs';
    const recalled = watched(shared.recall(certificateIdOf(0)));
    await clock.advance(249);
    expect(recalled.isOver).toBe(false);
    await clock.advance(1);
    expect(recalled).toEqual({ isOver: true, value: [] });
  });

  test('waits for an answer that comes in time, and leaves no timer behind', async () => {
    const { table, clock, recall, log } = setup();
    table.mood.reads = 200;
    expect(await recall()).toHaveLength(1);
    expect([clock.now(), clock.sleeping]).toEqual([200, 0]);
    expect(log.lines).toEqual([]);
  });

  test('does not wait behind another certificate’s read that hangs', async () => {
    const { shared, table, clock, watched } = setup();
    table.mood.reads = 'hangs';
    const first = watched(shared.recall(certificateIdOf(0)));
    await clock.advance(100);
    table.mood.reads = 'answers';
    const second = watched(shared.recall(certificateIdOf(1)));
    await clock.advance(0);
    expect([first.isOver, second.isOver]).toEqual([false, true]);
  });

  test.each(['fails', 'is broken'] as const)(
    'a table that %s is as one that knows nothing',
    async (mood) => {
      const { table, recall, warnings } = setup();
      table.mood.reads = mood;
      expect(await recall()).toEqual([]);
      expect(warnings()).toHaveLength(1);
    },
  );
});

describe('recording', () => {
  test('costs one write, and is over once that is answered', async () => {
    const { table, clock, record } = setup();
    table.mood.writes = 30;
    await record();
    expect([table.asked, clock.now()]).toEqual([['write c0'], 30]);
  });

  test('files the incident with the same write', async () => {
    const { table, record } = setup();
    await record(['i1', 'i1']);
    expect(table.asked).toEqual(['write c0 i1']);
  });

  test('files each further incident of those who joined, once', async () => {
    const { table, record } = setup();
    await record(['i1', 'i2', 'i1', 'i2', 'i3']);
    expect(table.asked).toEqual(['write c0 i1', 'file c0 i2', 'file c0 i3']);
    await record(['i1', 'i2', 'i3']);
    expect(table.asked.slice(3)).toEqual(['write c0 i1']);
  });

  test('files an incident by itself where the item belongs to another', async () => {
    const { table, record } = setup();
    table.standing = 'i0';
    await record(['i1']);
    expect(table.asked).toEqual(['write c0 i1', 'file c0 i1']);
    await record(['i1']);
    expect(table.asked.slice(2)).toEqual(['write c0 i1']);
  });

  test('holds a message for no longer than a second', async () => {
    const { shared, table, clock, watched } = setup();
    table.mood.writes = 'hangs';
    const recorded = watched(shared.record(entryAskedFor(['i1'])));
    await clock.advance(999);
    expect(recorded.isOver).toBe(false);
    await clock.advance(1);
    expect(recorded.isOver).toBe(true);
    expect(table.asked).toEqual(['write c0 i1']);
  });

  test('holds it for no longer either where the incident needs a write of its own', async () => {
    const { shared, table, clock, watched } = setup();
    table.mood.writes = 900;
    table.mood.files = 'hangs';
    table.standing = 'i0';
    const recorded = watched(shared.record(entryAskedFor(['i1'])));
    await clock.advance(1000);
    expect(recorded.isOver).toBe(true);
  });

  test('without an incident files nothing, whichever the item is filed under', async () => {
    const { table, record } = setup();
    table.standing = 'another';
    await record();
    expect(table.asked).toEqual(['write c0']);
  });

  test('that failed has filed nothing: a covered request of that incident does', async () => {
    const { table, clock, shared, record } = setup();
    table.mood.writes = 'fails';
    await record(['i-1']);
    await clock.advance(1000); // the table is left alone for so long
    await clock.run(shared.recordCovered(coveredEntryOf('i-1')));
    expect(table.asked).toEqual(['write c0 i-1', 'file c0 i-1']);
  });

  test('of a table that is broken does not reject', async () => {
    const { table, warnings, record } = setup();
    table.mood.writes = 'is broken';
    table.mood.files = 'is broken';
    await record(['i1', 'i2']);
    expect(warnings()).toMatchObject([{ cause: expect.stringContaining('no such thing') }]);
  });
});

describe('a covered request', () => {
  test('that names no incident costs nothing', async () => {
    const { shared, table, clock } = setup();
    await clock.run(shared.recordCovered(coveredEntryOf()));
    expect(table.asked).toEqual([]);
  });

  test('is filed under its incident, once', async () => {
    const { shared, table, clock } = setup();
    await clock.run(shared.recordCovered(coveredEntryOf('i1')));
    await clock.run(shared.recordCovered(coveredEntryOf('i1')));
    expect(table.asked).toEqual(['file c0 i1']);
  });

  test('is filed once also if a hundred come at the same time', async () => {
    const { shared, table, clock } = setup();
    table.mood.files = 20;
    const all = Array.from({ length: 100 }, () => shared.recordCovered(coveredEntryOf('i1')));
    await clock.run(Promise.all(all));
    expect([table.asked, clock.now()]).toEqual([['file c0 i1'], 20]);
  });

  test('of the update’s own incident needs no write, not even while that is written', async () => {
    const { shared, table, clock } = setup();
    table.mood.writes = 20;
    const recorded = shared.record(entryAskedFor(['i1']));
    await clock.run(Promise.all([recorded, shared.recordCovered(coveredEntryOf('i1'))]));
    await clock.run(shared.recordCovered(coveredEntryOf('i1')));
    expect(table.asked).toEqual(['write c0 i1']);
  });

  test('of another incident, or of another certificate, is filed by itself', async () => {
    const { shared, table, clock, record } = setup();
    await record(['i1']);
    await clock.run(shared.recordCovered(coveredEntryOf('i2')));
    const other = { certificateId: certificateIdOf(1) };
    await clock.run(shared.recordCovered(coveredEntryOf('i1', other)));
    expect(table.asked).toEqual(['write c0 i1', 'file c0 i2', 'file c1 i1']);
  });

  test('that could not be filed is filed with the next', async () => {
    const { shared, table, clock } = setup();
    table.mood.files = 'fails';
    await clock.run(shared.recordCovered(coveredEntryOf('i1')));
    table.mood.files = 'answers';
    await clock.advance(1000);
    await clock.run(shared.recordCovered(coveredEntryOf('i1')));
    expect(table.asked).toEqual(['file c0 i1', 'file c0 i1']);
  });

  test('of ten thousand incidents ago costs a write again, and no more', async () => {
    const { shared, table } = setup();
    for (let n = 0; n <= 10_000; n++) await shared.recordCovered(coveredEntryOf(`i${n}`));
    await shared.recordCovered(coveredEntryOf('i1'));
    expect(table.asked).toHaveLength(10_001);
    await shared.recordCovered(coveredEntryOf('i0'));
    expect(table.asked.slice(10_001)).toEqual(['file c0 i0']);
  });
});

describe('a table in trouble', () => {
  test('is told of with one warning, however long that lasts, and asked ever more rarely', async () => {
    const { table, clock, recall, log } = setup();
    table.mood.reads = 'fails';
    const askedAtMs: number[] = [];
    while (clock.now() < 120_000) {
      const before = table.asked.length;
      expect(await recall()).toEqual([]);
      if (table.asked.length > before) askedAtMs.push(clock.now());
      await clock.advance(500);
    }
    expect(askedAtMs).toEqual([0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000]);
    expect(log.lines).toMatchObject([
      {
        level: 'warn',
        event: 'ledger-away',
        what: 'reads',
        failureKind: 'throttled',
        cause: 'ThrottlingException: slow down',
      },
    ]);
  });

  test.each<[Mood, object]>([
    ['fails', { failureKind: 'throttled', cause: 'ThrottlingException: slow down' }],
    ['hangs', { failureKind: 'unknown-result', cause: 'TimeoutError: no answer within 250 ms' }],
    ['is broken', { failureKind: 'unknown-exception', cause: 'Bug: TypeError: no such thing' }],
  ])('says what the trouble is, and what that means: it %s', async (mood, told) => {
    const { table, clock, recall, record, log } = setup();
    table.mood.reads = mood;
    await recall();
    table.mood.writes = 'fails';
    await record();
    expect(log.of('ledger-away')).toMatchObject([
      {
        ...told,
        what: 'reads',
        text: 'the shared ledger fails reads; going on without: what other processes have done already may cost a call each',
      },
      {
        what: 'writes',
        text: 'the shared ledger fails writes; going on without: what is done meanwhile stands in the log only',
      },
    ]);
    table.mood.reads = 'answers';
    await clock.advance(60_000);
    await recall();
    await clock.advance(10_000);
    await recall();
    expect(log.of('ledger-back')).toMatchObject([{ text: 'the shared ledger is back: reads' }]);
  });

  test('keeps nobody waiting while it is left alone', async () => {
    const { table, clock, recall, record } = setup();
    table.mood.reads = 'hangs';
    table.mood.writes = 'hangs';
    await recall();
    await record();
    expect(clock.now()).toBe(1250);
    await recall(); // asked again after a second
    const atMs = clock.now();
    for (let n = 0; n < 50; n++) {
      await recall(n);
      await record(['i1']);
    }
    expect(clock.now()).toBe(atMs);
  });

  test('that fails reads is still written to, and the other way round', async () => {
    const reading = setup();
    reading.table.mood.reads = 'fails';
    await reading.recall();
    await reading.record();
    expect(reading.table.asked).toEqual(['read c0', 'write c0']);
    const writing = setup();
    writing.table.mood.writes = 'fails';
    await writing.record();
    expect(await writing.recall()).toHaveLength(1);
    expect([reading.warnings().length, writing.warnings().length]).toEqual([1, 1]);
  });

  test('that fails reads for an hour while writes work is told of once', async () => {
    const { table, clock, recall, record, log } = setup();
    table.mood.reads = 'fails';
    while (clock.now() < 3_600_000) {
      await recall();
      await record();
      await clock.advance(700);
    }
    expect(log.lines).toHaveLength(1);
    expect(table.asked.filter((asked) => asked.startsWith('write')).length).toBeGreaterThan(5000);
  });

  test('that fails reads and writes costs one warning; the rest is told more quietly', async () => {
    const { table, clock, recall, record, log } = setup();
    table.mood.reads = 'fails';
    table.mood.writes = 'fails';
    while (clock.now() < 600_000) {
      await recall();
      await record();
      await clock.advance(700);
    }
    expect(log.lines.map(({ level, event, what }) => [level, event, what])).toEqual([
      ['warn', 'ledger-away', 'reads'],
      ['info', 'ledger-away', 'writes'],
    ]);
  });

  test('that fails every other call for an hour is told of once', async () => {
    const { table, clock, recall, log } = setup();
    let n = 0;
    while (clock.now() < 3_600_000) {
      table.mood.reads = n % 2 === 0 ? 'fails' : 'answers';
      const before = table.asked.length;
      await recall();
      if (table.asked.length > before) n++;
      await clock.advance(100);
    }
    expect(n).toBeGreaterThan(100);
    expect(log.lines).toHaveLength(1);
  });

  test('is back once it has answered for ten seconds, and that is told with what it missed', async () => {
    const { table, clock, recall, log } = setup();
    table.mood.reads = 'fails';
    await recall(); // failed
    await recall(); // left alone
    await recall();
    table.mood.reads = 'answers';
    await clock.advance(60_000);
    expect(await recall()).toHaveLength(1); // the first answer
    await clock.advance(9999);
    await recall();
    expect(log.of('ledger-back')).toEqual([]);
    await clock.advance(1);
    await recall();
    expect(log.of('ledger-back')).toMatchObject([{ level: 'info', what: 'reads', missed: 3 }]);
    await recall();
    expect(log.lines).toHaveLength(2);
  });

  test('is left alone for a second only, once it was well in between', async () => {
    const { table, clock, recall, log } = setup();
    table.mood.reads = 'fails';
    for (let n = 0; n < 8; n++) {
      await recall();
      await clock.advance(30_000);
    }
    table.mood.reads = 'answers';
    await recall();
    await clock.advance(10_000);
    await recall();
    table.mood.reads = 'fails';
    await recall();
    await clock.advance(1000);
    table.mood.reads = 'answers';
    expect(await recall()).toHaveLength(1);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info', 'warn']);
    expect(log.of('ledger-back')).toMatchObject([{ missed: 8 }]);
  });

  test('is no worse for many who had asked before it failed', async () => {
    const { shared, table, clock } = setup();
    table.mood.reads = 'hangs';
    const all: Promise<unknown>[] = [];
    for (let n = 0; n < 50; n++) {
      all.push(shared.recall(certificateIdOf(n)));
      await clock.advance(1);
    }
    await clock.run(Promise.all(all));
    table.mood.reads = 'answers';
    await clock.advance(1250 - clock.now());
    expect(await shared.recall(certificateIdOf(0))).toHaveLength(1);
  });

  test('at the start is told of once, and left alone for a moment', async () => {
    const { shared, table, clock, recall, log } = setup();
    shared.isAway({ kind: 'unreachable', name: 'ECONNREFUSED', message: 'refused' });
    expect(await recall()).toEqual([]);
    expect(table.asked).toEqual([]);
    table.mood.reads = 'fails';
    table.mood.writes = 'fails';
    await clock.advance(1000);
    await recall();
    expect(table.asked).toHaveLength(1);
    expect(log.lines).toMatchObject([{ level: 'warn', cause: 'ECONNREFUSED: refused' }]);
  });
});

test('whatever a table does, nobody waits for longer than the limits, and nothing rejects', async () => {
  const mood = fc.oneof(
    fc.constantFrom<Mood[]>('answers', 'fails', 'hangs', 'is broken'),
    fc.nat({ max: 2000 }),
  );
  const step = fc.record({
    reads: mood,
    writes: mood,
    files: mood,
    standing: fc.option(fc.constant('i9'), { nil: undefined }),
    does: fc.constantFrom('recall', 'record', 'cover'),
    incidents: fc.subarray(['i1', 'i2', 'i3']),
    afterMs: fc.nat({ max: 5000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { shared, table, clock, warnings, log } = setup();
      for (const { does, incidents, afterMs, standing, ...moods } of steps) {
        Object.assign(table.mood, moods);
        table.standing = standing;
        const startedAtMs = clock.now();
        if (does === 'recall') await clock.run(shared.recall(certificateIdOf(0)));
        else if (does === 'record') await clock.run(shared.record(entryAskedFor(incidents)));
        else await clock.run(shared.recordCovered(coveredEntryOf(incidents[0])));
        expect(clock.now() - startedAtMs).toBeLessThanOrEqual(does === 'recall' ? 250 : 1000);
        await clock.advance(afterMs);
      }
      // Between two warnings, all was well.
      const backs = log.of('ledger-back').length;
      expect(warnings().length).toBeLessThanOrEqual(backs + 1);
    }),
  );
});
