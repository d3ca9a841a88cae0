import { describe, expect, test } from 'vitest';
import { problemsOf, type OrderFields } from '../../src/command/order.ts';

const fields: OrderFields = {
  newStatus: 'REVOKED',
  requestedBy: 'alice',
  reason: undefined,
  incidentId: undefined,
  comment: undefined,
};

describe('an order', () => {
  test('needs a status and a name', () => {
    expect(problemsOf(fields)).toEqual([]);
    expect(problemsOf({ ...fields, requestedBy: undefined })).toEqual([
      '--requested-by: your user has no name here; on whose word is this?',
    ]);
  });

  test('names the options that the schema of requests refuses, all of them', () => {
    const problems = problemsOf({ ...fields, reason: 'leaked', comment: 'x'.repeat(1025) });
    expect(problems).toEqual([
      expect.stringMatching(/^--reason: it holds "leaked"; one of unspecified, keyCompromise, .*/),
      expect.stringMatching(/^--comment: it holds "x{80}…"; at most 1024 characters are expected$/),
    ]);
  });

  test.each([
    ['--requested-by', { requestedBy: '' }],
    ['--incident-id', { incidentId: '' }],
    ['--comment', { comment: '' }],
  ])('refuses an empty %s: it is a variable that was not set', (option, empty) => {
    expect(problemsOf({ ...fields, ...empty })).toEqual([
      `${option}: it is empty; leave it out, or say something`,
    ]);
  });

  test('tells an empty --reason once', () => {
    expect(problemsOf({ ...fields, reason: '' })).toEqual([
      expect.stringMatching(/^--reason: it holds ""; one of /),
    ]);
  });
});
