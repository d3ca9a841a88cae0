import * as fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { FailureKind } from '../src/call.ts';
import type { Directory, Finding, Page } from '../src/directory.ts';
import type { Lane } from '../src/lane.ts';
import { createLookup, type Found, type Seeker } from '../src/lookup.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeDirectory, pageOf } from './helpers/directory.ts';
import { createFakeThrottle } from './helpers/fakes.ts';
import { certificateIdOf } from './helpers/message.ts';

const audit = { taskId: 'task-1', checkName: 'DEVICE_CERTIFICATE_SHARED_CHECK' };
function noPage(kind: FailureKind): Page<never> {
  return { kind: 'failed', failure: { kind, name: 'Exception', message: 'no' } };
}

function arnOf(n: number, id = certificateIdOf(n)): string {
  return `arn:aws:iot:eu-central-1:123456789012:cert/${id}`;
}

/** SQS's time when a test begins, ms. */
const start = 1_000_000;

/** A message that was sent after all that is known, if not said otherwise. */
function by(lane: Lane, sentAtMs = Infinity): Seeker {
  return { lane, sentAtMs };
}

function setup(fake: Partial<Directory> = {}) {
  const directory = { ...createFakeDirectory(), ...fake };
  const clock = createVirtualClock();
  const stop = new AbortController();
  const abandon = new AbortController();
  const throttles = {
    thingPrincipals: createFakeThrottle(),
    principalThings: createFakeThrottle(),
    auditFindings: createFakeThrottle(),
  };
  const held = { newestMs: () => start + clock.now() };
  const lookup = createLookup({
    directory,
    throttles,
    held,
    clock,
    random: () => 0.5,
    stopping: stop.signal,
    abandon: abandon.signal,
  });
  /** What each of those who asked has found, by name. */
  const found: Record<string, Found<string>> = {};
  const note = (name: string, asking: Promise<Found<string>>): Promise<void> => {
    void asking.then((one) => (found[name] = one));
    return turn();
  };
  return {
    directory,
    clock,
    stop,
    abandon,
    throttles,
    lookup,
    found,
    askThing: (name: string, thing = 'thing-1', lane: Lane = 'alert', sentAtMs?: number) =>
      note(name, lookup.certificatesOf(thing, by(lane, sentAtMs))),
    askCertificate: (name: string, n = 1, lane: Lane = 'alert') =>
      note(name, lookup.thingsOf(certificateIdOf(n), by(lane))),
    askAudit: (name: string, lane: Lane = 'alert') =>
      note(name, lookup.certificatesOfAudit(audit, by(lane))),
    /** A slot of this API fires, and AWS answers whoever gets it. */
    serve: async (
      api: keyof Directory,
      page: Parameters<typeof directory.answer>[0],
    ): Promise<void> => {
      if (!(await throttles[api].fire())) throw new Error('nobody waits for a slot');
      await directory.answer(page);
    },
  };
}

function idsIn(found: Found<string> | undefined): readonly string[] | undefined {
  return found?.kind === 'found' ? found.items : undefined;
}

describe('the certificates of a thing', () => {
  test('are asked for once a slot of their own API fires', async () => {
    const { directory, throttles, askThing, abandon } = setup();
    await askThing('a');
    await throttles.principalThings.fire();
    await throttles.auditFindings.fire();
    expect(directory.asked).toEqual([]);
    await throttles.thingPrincipals.fire();
    expect(directory.asked).toEqual([
      { api: 'thingPrincipals', of: 'thing-1', nextToken: undefined, signal: abandon.signal },
    ]);
  });

  test('are those of all pages, each once, and each page takes a slot', async () => {
    const { directory, throttles, askThing, serve, found } = setup();
    await askThing('a');
    await serve('thingPrincipals', pageOf([arnOf(1)], 't1'));
    expect(found).toEqual({});
    await serve('thingPrincipals', pageOf([], 't2'));
    await serve('thingPrincipals', pageOf([arnOf(2), arnOf(1)]));
    expect(idsIn(found['a'])).toEqual([certificateIdOf(1), certificateIdOf(2)]);
    expect(directory.asked.map(({ nextToken }) => nextToken)).toEqual([undefined, 't1', 't2']);
    expect(throttles.thingPrincipals.feedback).toEqual(['succeeded', 'succeeded', 'succeeded']);
  });

  test('are no other principals, and in lower case', async () => {
    const { askThing, serve, found } = setup();
    await askThing('a');
    const others = [
      'eu-central-1:11111111-2222-3333-4444-555555555555',
      'arn:aws:iam::123456789012:user/someone',
      'arn:aws:iot:eu-central-1:123456789012:cacert/c0',
      `${arnOf(3)}0`,
      certificateIdOf(4),
    ];
    const upper = arnOf(0, 'ABCDEF'.padEnd(64, '0'));
    await serve('thingPrincipals', pageOf([...others, upper]));
    expect(idsIn(found['a'])).toEqual(['abcdef'.padEnd(64, '0')]);
  });

  test('may be none', async () => {
    const { askThing, serve, found } = setup();
    await askThing('a');
    await serve('thingPrincipals', pageOf([]));
    expect(found['a']).toEqual({ kind: 'found', items: [] });
  });

  test('are not known where there is no such thing', async () => {
    const { askThing, serve, found } = setup();
    await askThing('a');
    await serve('thingPrincipals', noPage('not-found'));
    expect(found['a']).toMatchObject({ kind: 'failed', failure: { kind: 'not-found' } });
  });
});

describe('the things of a certificate', () => {
  test('are those of all pages, each once', async () => {
    const { askCertificate, serve, found, directory } = setup();
    await askCertificate('a');
    await serve('principalThings', pageOf(['x', 'y'], 't'));
    await serve('principalThings', pageOf(['y', 'z']));
    expect(idsIn(found['a'])).toEqual(['x', 'y', 'z']);
    expect(directory.asked[0]).toMatchObject({ of: certificateIdOf(1) });
  });

  test('are none where there is no such certificate: the update itself will say so', async () => {
    const { askCertificate, serve, found } = setup();
    await askCertificate('a');
    await serve('principalThings', noPage('not-found'));
    expect(found['a']).toEqual({ kind: 'found', items: [] });
  });

  test('are not known where they may not be asked for', async () => {
    const { askCertificate, serve, found } = setup();
    await askCertificate('a');
    await serve('principalThings', noPage('unauthorized'));
    expect(found['a']).toMatchObject({ kind: 'failed', failure: { kind: 'unauthorized' } });
  });
});

describe('the certificates that an audit complains of', () => {
  test('are those that nobody has suppressed, and that are certificates', async () => {
    const { askAudit, serve, found, directory } = setup();
    await askAudit('a');
    const findings: Finding[] = [
      { certificateId: certificateIdOf(1).toUpperCase(), isSuppressed: false },
      { certificateId: certificateIdOf(2), isSuppressed: true },
      { isSuppressed: false },
      { certificateId: 'cacert', isSuppressed: false },
      { certificateId: certificateIdOf(1), isSuppressed: false },
    ];
    await serve('auditFindings', pageOf(findings));
    expect(idsIn(found['a'])).toEqual([certificateIdOf(1)]);
    expect(directory.asked[0]).toMatchObject({ of: 'task-1 DEVICE_CERTIFICATE_SHARED_CHECK' });
  });
});

describe('whatever the pages hold', () => {
  test('all of them are read, in whichever sizes they come, with transient failures between', async () => {
    const page = fc.record({
      items: fc.array(fc.nat({ max: 30 }), { maxLength: 4 }),
      before: fc.array(fc.constantFrom<FailureKind>('throttled', 'unavailable'), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(page, { minLength: 1, maxLength: 8 }), async (pages) => {
        const { askThing, serve, found, clock } = setup();
        await askThing('a');
        for (const [n, { items, before }] of pages.entries()) {
          for (const kind of before) {
            await serve('thingPrincipals', noPage(kind));
            await clock.advance(2000);
          }
          const token = n === pages.length - 1 ? undefined : `t${n}`;
          await serve(
            'thingPrincipals',
            pageOf(
              items.map((item) => arnOf(item)),
              token,
            ),
          );
        }
        const all = pages.flatMap(({ items }) => items.map(certificateIdOf));
        expect(idsIn(found['a'])).toEqual([...new Set(all)]);
      }),
    );
  });
});

describe('a list that does not end', () => {
  test('fails after a thousand pages', async () => {
    const { askThing, serve, found, directory } = setup();
    await askThing('a');
    for (let n = 0; n < 1000; n++) {
      expect(found).toEqual({});
      await serve('thingPrincipals', pageOf([arnOf(n)], `t${n}`));
    }
    expect(found['a']).toEqual({
      kind: 'failed',
      failure: {
        kind: 'unknown-exception',
        name: 'EndlessPages',
        message: 'its pages do not end (1000 of them were read)',
      },
    });
    expect(directory.asked).toHaveLength(1000);
  });

  test('fails at once where a page names itself as the next one', async () => {
    const { askThing, serve, found } = setup();
    await askThing('a');
    await serve('thingPrincipals', pageOf([arnOf(1)], 't'));
    await serve('thingPrincipals', pageOf([arnOf(2)], 't'));
    expect(found['a']).toMatchObject({
      kind: 'failed',
      failure: { name: 'EndlessPages', message: 'one of its pages is followed by itself' },
    });
  });
});

describe('a failure', () => {
  test.each<FailureKind>(['unavailable', 'unknown-result', 'unreachable', 'unknown-exception'])(
    'that may pass is tried again, four times in all: %s',
    async (kind) => {
      const { askThing, serve, found, clock, throttles } = setup();
      await askThing('a');
      for (let attempt = 0; attempt < 4; attempt++) {
        expect(found).toEqual({});
        await serve('thingPrincipals', noPage(kind));
        await clock.advance(2000);
      }
      expect(found['a']).toMatchObject({ kind: 'failed', failure: { kind } });
      expect(throttles.thingPrincipals.feedback).toEqual(Array(4).fill('failed'));
    },
  );

  test.each<FailureKind>(['unauthorized', 'not-found', 'invalid-request'])(
    'that will not pass is told at once: %s',
    async (kind) => {
      const { askThing, serve, found, throttles } = setup();
      await askThing('a');
      await serve('thingPrincipals', noPage(kind));
      expect(found['a']).toMatchObject({ kind: 'failed', failure: { kind } });
      expect(await throttles.thingPrincipals.fire()).toBe(false);
    },
  );

  test('on a later page fails the whole list: half of it is worth nothing', async () => {
    const { askThing, serve, found } = setup();
    await askThing('a');
    await serve('thingPrincipals', pageOf([arnOf(1)], 't'));
    await serve('thingPrincipals', noPage('unauthorized'));
    expect(found['a']).toMatchObject({ kind: 'failed', failure: { kind: 'unauthorized' } });
  });

  test('that is throttling slows the pace down, and counts as no attempt, but not for ever', async () => {
    const { askThing, serve, found, clock, throttles } = setup();
    await askThing('a');
    let slots = 0;
    while (found['a'] === undefined) {
      await serve('thingPrincipals', noPage('throttled'));
      slots++;
      if (slots === 24) expect(clock.now()).toBe(0);
      await clock.advance(slots < 24 ? 0 : 2000);
    }
    expect(slots).toBe(28);
    expect(found['a']).toMatchObject({ kind: 'failed', failure: { kind: 'throttled' } });
    expect(new Set(throttles.thingPrincipals.feedback)).toEqual(new Set(['throttled']));
  });

  test('that is a bug of ours reaches whoever asked, and the next one asks anew', async () => {
    let bugs = 0;
    const { lookup, throttles, directory } = setup({
      thingPrincipals: async () => {
        if (bugs++ === 0) throw new TypeError('no such thing');
        return pageOf([arnOf(1)]);
      },
    });
    const caught = lookup.certificatesOf('thing-1', by('alert')).catch(String);
    await turn();
    await throttles.thingPrincipals.fire();
    expect(await caught).toBe('TypeError: no such thing');
    const again = lookup.certificatesOf('thing-1', by('alert'));
    await turn();
    await throttles.thingPrincipals.fire();
    expect(idsIn(await again)).toEqual([certificateIdOf(1)]);
    expect(directory.asked).toEqual([]);
  });
});

describe('those who ask the same', () => {
  test('before it starts share one lookup', async () => {
    const { askThing, serve, found, directory } = setup();
    await askThing('a');
    await askThing('b');
    await serve('thingPrincipals', pageOf([arnOf(1)]));
    expect(found['b']).toEqual(found['a']);
    expect(directory.asked).toHaveLength(1);
  });

  test('after it has started get one of their own: it may have changed since', async () => {
    const { askThing, serve, found, directory, throttles } = setup();
    await askThing('a');
    await throttles.thingPrincipals.fire();
    await askThing('b');
    await directory.answer(pageOf([arnOf(1)]));
    expect(Object.keys(found)).toEqual(['a']);
    await serve('thingPrincipals', pageOf([arnOf(1), arnOf(2)]));
    expect(idsIn(found['b'])).toHaveLength(2);
  });

  test('share it although another lookup of the same turns its pages', async () => {
    const { askThing, serve, found, directory, throttles } = setup();
    await askThing('first', 'thing-1', 'incident');
    await throttles.thingPrincipals.fire();
    await askThing('second');
    await directory.answer(pageOf([arnOf(1)], 't'));
    await serve('thingPrincipals', pageOf([arnOf(2)])); // the first one's second page
    expect(idsIn(found['first'])).toHaveLength(2);
    await askThing('third');
    await serve('thingPrincipals', pageOf([arnOf(3)]));
    expect(idsIn(found['third'])).toEqual([certificateIdOf(3)]);
    expect(found['second']).toEqual(found['third']);
    expect(directory.asked).toHaveLength(3);
  });

  test('of another thing, or by another API, share nothing', async () => {
    const { askThing, askCertificate, askAudit, directory, throttles } = setup();
    await askThing('a', 'thing-1');
    await askThing('b', 'thing-2');
    await askCertificate('c');
    await askAudit('d');
    for (const throttle of Object.values(throttles)) while (await throttle.fire());
    expect(directory.asked).toHaveLength(4);
  });

  test('of another check, or of another task, share nothing', async () => {
    const { lookup, directory, throttles } = setup();
    const others = [audit, { ...audit, taskId: 'task-2' }, { ...audit, checkName: 'OTHER_CHECK' }];
    for (const other of others) void lookup.certificatesOfAudit(other, by('alert'));
    await turn();
    while (await throttles.auditFindings.fire());
    expect(directory.asked.map(({ of }) => of)).toEqual([
      'task-1 DEVICE_CERTIFICATE_SHARED_CHECK',
      'task-2 DEVICE_CERTIFICATE_SHARED_CHECK',
      'task-1 OTHER_CHECK',
    ]);
  });

  test('make it as urgent as the most urgent of them', async () => {
    const { askThing, directory, throttles } = setup();
    await askThing('a', 'thing-1', 'rotation');
    await askThing('b', 'thing-2', 'alert');
    await askThing('c', 'thing-1', 'incident');
    await throttles.thingPrincipals.fire();
    expect(directory.asked.map(({ of }) => of)).toEqual(['thing-1']);
  });
});

describe('stopping', () => {
  test('ends what has no slot yet, and what waits to be tried again', async () => {
    const { askThing, askCertificate, serve, found, stop, clock } = setup();
    await askThing('waits');
    await askCertificate('failed once');
    await serve('principalThings', noPage('unavailable'));
    stop.abort();
    await turn();
    expect(found).toEqual({ waits: { kind: 'stopped' }, 'failed once': { kind: 'stopped' } });
    expect(clock.sleeping).toBe(0);
  });

  test('lets the page under way come, and keeps it if it is the last', async () => {
    const { askThing, askCertificate, directory, throttles, found, stop } = setup();
    await askThing('last page');
    await askCertificate('first page');
    await throttles.thingPrincipals.fire();
    await throttles.principalThings.fire();
    stop.abort();
    await directory.answer(pageOf([arnOf(1)]));
    await directory.answer(pageOf(['x'], 't'));
    expect(idsIn(found['last page'])).toEqual([certificateIdOf(1)]);
    expect(found['first page']).toEqual({ kind: 'stopped' });
  });

  test('ends what is asked later at once', async () => {
    const { askThing, found, stop } = setup();
    stop.abort();
    await askThing('late');
    await askThing('later');
    expect(found).toEqual({ late: { kind: 'stopped' }, later: { kind: 'stopped' } });
  });
});

describe('a list that was read', () => {
  test('serves whoever was sent more than a second before it began to be, by SQS’s clock', async () => {
    const { askThing, serve, directory, found, clock } = setup();
    await clock.advance(5000);
    await askThing('first');
    await serve('thingPrincipals', pageOf([arnOf(1)]));
    await clock.advance(60_000); // nothing more is received: it serves the older ones for ever
    await askThing('older', 'thing-1', 'alert', start + 3999);
    expect(found['older']).toEqual({ kind: 'found', items: [certificateIdOf(1)] });
    expect(directory.asked).toHaveLength(1);
  });

  test('serves nobody who may have been sent later, and no other thing', async () => {
    const { askThing, serve, directory, found, clock } = setup();
    await clock.advance(5000);
    await askThing('first');
    await serve('thingPrincipals', pageOf([arnOf(1)]));
    await askThing('within the margin', 'thing-1', 'alert', start + 4000);
    await serve('thingPrincipals', pageOf([arnOf(1), arnOf(2)]));
    expect(found['within the margin']).toMatchObject({
      items: [certificateIdOf(1), certificateIdOf(2)],
    });
    await askThing('other', 'thing-2', 'alert', start);
    expect(found['other']).toBeUndefined();
    await serve('thingPrincipals', pageOf([]));
    expect(directory.asked).toHaveLength(3);
  });

  test('counts from its first page, and not if it failed', async () => {
    const { askThing, serve, found, clock } = setup();
    await askThing('first');
    await serve('thingPrincipals', pageOf([arnOf(1)], 'more'));
    await clock.advance(5000);
    await serve('thingPrincipals', pageOf([arnOf(2)]));
    await askThing('between its pages', 'thing-1', 'alert', start + 2000);
    expect(found['between its pages']).toBeUndefined();
    await serve('thingPrincipals', noPage('invalid-request'));
    await clock.advance(5000);
    await askThing('after a failure', 'thing-1', 'alert', start + 1000);
    expect(found['after a failure']).toBeUndefined();
  });
});
