import { describe, expect, test } from 'vitest';
import {
  call,
  feedbackOf,
  isTransient,
  type CallResult,
  type Certificates,
  type DescribeAnswer,
  type Failure,
  type FailureKind,
  type UpdateAnswer,
} from '../src/call.ts';
import type { Status } from '../src/status.ts';

describe('a call', () => {
  test('sends the wanted status, and is applied', async () => {
    const { asked, attempt } = setup({ update: { kind: 'updated', awsRequestId: 'r' } });
    expect(await attempt('INACTIVE')).toEqual({ kind: 'applied', awsRequestId: 'r' });
    expect(asked).toEqual(['update c INACTIVE']);
  });

  test.each<FailureKind>([
    'throttled',
    'unavailable',
    'unknown-result',
    'unreachable',
    'unknown-exception',
    'unauthorized',
    'not-found',
    'invalid-request',
  ])('hands on how it failed, without another look: %s', async (kind) => {
    const { asked, attempt } = setup({ update: failed(kind) });
    expect(await attempt('REVOKED')).toEqual(failed(kind));
    expect(asked).toEqual(['update c REVOKED']);
  });

  test('passes its signal on', async () => {
    const { signals, signal, attempt } = setup({
      update: failed('state-conflict'),
      describe: described('ACTIVE'),
    });
    await attempt('INACTIVE', { lookFirst: true });
    expect(signals).toEqual([signal, signal, signal]);
  });
});

describe('a state conflict', () => {
  test.each<[status: string, wanted: Status]>([
    ['REVOKED', 'REVOKED'],
    ['REVOKED', 'INACTIVE'],
    ['INACTIVE', 'INACTIVE'],
  ])('with a certificate that is %s changes nothing for %s', async (status, wanted) => {
    const { asked, attempt } = setup({
      update: failed('state-conflict'),
      describe: described(status),
    });
    expect(await attempt(wanted)).toEqual({ kind: 'unchanged', status, awsRequestId: 'd' });
    expect(asked).toEqual([`update c ${wanted}`, 'describe c']);
  });

  test.each<[status: string, wanted: Status]>([
    ['PENDING_TRANSFER', 'REVOKED'],
    ['PENDING_ACTIVATION', 'INACTIVE'],
    ['REGISTER_INACTIVE', 'INACTIVE'],
    ['SOMETHING_NEW', 'INACTIVE'],
  ])('with a certificate that is %s is final for %s', async (status, wanted) => {
    const { attempt } = setup({ update: failed('state-conflict'), describe: described(status) });
    expect(await attempt(wanted)).toEqual(
      failed('state-conflict', `the certificate is ${status} and cannot become ${wanted} (no)`),
    );
  });

  test.each(['ACTIVE', 'INACTIVE'])(
    'with a certificate that is %s is worth another attempt',
    async (status) => {
      const { attempt } = setup({ update: failed('state-conflict'), describe: described(status) });
      const result = await attempt('REVOKED');
      expect(result).toEqual(
        failed('contested', `the certificate is ${status} and cannot become REVOKED (no)`),
      );
    },
  );

  test.each<FailureKind>(['unavailable', 'unknown-result', 'unauthorized', 'not-found'])(
    'that cannot be looked into ends as the look did: %s',
    async (kind) => {
      const { attempt } = setup({ update: failed('state-conflict'), describe: failed(kind) });
      expect(await attempt('REVOKED')).toEqual(failed(kind));
    },
  );
});

describe('a look that is throttled', () => {
  test('is no news of the quota for updates', async () => {
    const { attempt } = setup({ update: failed('state-conflict'), describe: failed('throttled') });
    const result = await attempt('REVOKED');
    expect(result).toMatchObject({
      failure: { kind: 'unavailable', name: failed('throttled').failure.name },
    });
    expect(feedbackOf(result)).toBe('failed');
  });
});

describe('a call that looks first, as the certificate may be there already', () => {
  test.each<[status: string, wanted: Status]>([
    ['INACTIVE', 'INACTIVE'],
    ['REVOKED', 'INACTIVE'],
    ['REVOKED', 'REVOKED'],
  ])('sends nothing to one that is %s and shall be %s', async (status, wanted) => {
    const { asked, attempt } = setup({ describe: described(status) });
    expect(await attempt(wanted, { lookFirst: true })).toEqual({
      kind: 'unchanged',
      status,
      awsRequestId: 'd',
    });
    expect(asked).toEqual(['describe c']);
  });

  test('names no AWS request where the answer had no id', async () => {
    const { attempt } = setup({ describe: { kind: 'described', status: 'REVOKED' } });
    expect(await attempt('REVOKED', { lookFirst: true })).toStrictEqual({
      kind: 'unchanged',
      status: 'REVOKED',
    });
  });

  test.each<[status: string, wanted: Status]>([
    ['ACTIVE', 'INACTIVE'],
    ['INACTIVE', 'REVOKED'],
    ['PENDING_TRANSFER', 'INACTIVE'],
    ['REGISTER_INACTIVE', 'INACTIVE'],
  ])('sends what is wanted to one that is %s and shall be %s', async (status, wanted) => {
    const { asked, attempt } = setup({ describe: described(status) });
    expect(await attempt(wanted, { lookFirst: true })).toMatchObject({ kind: 'applied' });
    expect(asked).toEqual(['describe c', `update c ${wanted}`]);
  });
});

describe('a call that looks first, as the certificate was seen REVOKED before', () => {
  test('sends nothing weaker where it still is', async () => {
    const { asked, attempt } = setup({ describe: described('REVOKED') });
    expect(await attempt('INACTIVE', { lookFirst: true })).toMatchObject({
      kind: 'unchanged',
      status: 'REVOKED',
      awsRequestId: 'd',
    });
    expect(asked).toEqual(['describe c']);
  });

  test('sends what is wanted where somebody has changed it', async () => {
    const { asked, attempt } = setup({ describe: described('ACTIVE') });
    expect(await attempt('INACTIVE', { lookFirst: true })).toMatchObject({ kind: 'applied' });
    expect(asked).toEqual(['describe c', 'update c INACTIVE']);
  });

  test('sends nothing where the look fails', async () => {
    const { asked, attempt } = setup({ describe: failed('unknown-result') });
    expect(await attempt('INACTIVE', { lookFirst: true })).toEqual(failed('unknown-result'));
    expect(asked).toEqual(['describe c']);
  });
});

describe('a failure', () => {
  test.each<[FailureKind, boolean]>([
    ['throttled', true],
    ['unavailable', true],
    ['unknown-result', true],
    ['unreachable', true],
    ['unknown-exception', true],
    ['contested', true],
    ['unauthorized', false],
    ['not-found', false],
    ['invalid-request', false],
    ['state-conflict', false],
  ])('%s may pass by itself: %s', (kind, transient) => {
    expect(isTransient(kind)).toBe(transient);
  });
});

describe('the pace learns', () => {
  test.each<[learned: string, CallResult]>([
    ['succeeded', { kind: 'applied' }],
    ['succeeded', { kind: 'unchanged', status: 'REVOKED' }],
    ['throttled', failed('throttled')],
    ['failed', failed('unavailable')],
    ['failed', failed('not-found')],
  ])('%s from %j', (learned, result) => {
    expect(feedbackOf(result)).toBe(learned);
  });
});

function failed(kind: FailureKind, message = 'no'): { kind: 'failed'; failure: Failure } {
  return { kind: 'failed', failure: { kind, name: 'Exception', message, awsRequestId: 'f' } };
}

function described(status: string): DescribeAnswer {
  return { kind: 'described', status, awsRequestId: 'd' };
}

/** One attempt for certificate c, with AWS's answers, and a record of what AWS was asked. */
function setup({
  update = { kind: 'updated' },
  describe = described('ACTIVE'),
}: {
  readonly update?: UpdateAnswer;
  readonly describe?: DescribeAnswer;
}): {
  asked: readonly string[];
  signals: readonly AbortSignal[];
  signal: AbortSignal;
  attempt: (status: Status, how?: { readonly lookFirst: boolean }) => Promise<CallResult>;
} {
  const asked: string[] = [];
  const signals: AbortSignal[] = [];
  const { signal } = new AbortController();
  const certificates: Certificates = {
    update: async (certificateId, status, given) => {
      asked.push(`update ${certificateId} ${status}`);
      signals.push(given);
      return update;
    },
    describe: async (certificateId, given) => {
      asked.push(`describe ${certificateId}`);
      signals.push(given);
      return describe;
    },
  };
  return {
    asked,
    signals,
    signal,
    attempt: (status, { lookFirst } = { lookFirst: false }) =>
      call(certificates, { certificateId: 'c', status, lookFirst }, signal),
  };
}
