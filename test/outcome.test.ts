import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deciding, deferredByBug, type Outcome } from '../src/outcome.ts';
import { callStory, outcomes } from './helpers/outcome.ts';

const { applied, covered, unchanged, rejected, deferred, expanded, ignored } = outcomes;

describe('the outcome that decides for a whole message', () => {
  test('is its only one', () => {
    expect(deciding([applied])).toBe(applied);
  });

  test('is nothing where there was no request', () => {
    expect(deciding([])).toBeUndefined();
  });

  test('is what keeps the message, before what ends it badly, before what ends it well', () => {
    const order = [deferred, rejected, expanded, applied, unchanged, covered, ignored];
    for (const [n, stronger] of order.entries()) {
      for (const weaker of order.slice(n)) {
        expect(deciding([weaker, stronger])).toBe(stronger);
        expect(deciding([stronger, weaker])).toBe(stronger);
      }
    }
  });

  test('is the first among several of its kind', () => {
    const later: Outcome = { kind: 'applied', call: callStory({ attempts: 9 }) };
    expect(deciding([covered, applied, later])).toBe(applied);
  });

  test('never lets a message go while one of its requests is still to be done', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.values(outcomes))), fc.nat(), (all, n) => {
        const withDeferred = all.toSpliced(n % (all.length + 1), 0, deferred);
        expect(deciding(withDeferred)?.kind).toBe('deferred');
      }),
    );
  });
});

describe('a bug of ours', () => {
  test('defers the request, and says where it is', () => {
    const bug = new TypeError('no such thing');
    expect(deferredByBug(bug)).toEqual({
      kind: 'deferred',
      failureKind: 'bug',
      cause: bug.stack,
    });
    expect(bug.stack).toContain('outcome.test.ts');
  });

  test('says what it can where it has no stack, or is no error', () => {
    const bug = new TypeError('no such thing');
    delete bug.stack;
    expect(deferredByBug(bug)).toMatchObject({ cause: 'no such thing' });
    expect(deferredByBug('thrown as it is')).toMatchObject({ cause: 'thrown as it is' });
  });
});
