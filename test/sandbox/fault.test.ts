import { UpdateCertificateCommand, type CertificateStatus } from '@aws-sdk/client-iot';
import { afterEach, describe, expect, test } from 'vitest';
import { createFaultPlan, type Fault } from '../../src/sandbox/fault.ts';
import { startIot, type IotOptions } from '../../src/sandbox/iot.ts';
import { failureOf, iotClientFor } from '../helpers/iot-client.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const operation = 'UpdateCertificate';

describe('an injected exception', () => {
  test.each([
    ['ThrottlingException', 400],
    ['InternalFailureException', 500],
    ['ServiceUnavailableException', 503],
    ['InvalidRequestException', 400],
    ['ResourceNotFoundException', 404],
    ['CertificateStateException', 406],
    ['UnauthorizedException', 401],
    ['AccessDeniedException', 403],
  ])('%s reaches the SDK by its name, with HTTP %i, and is not applied', async (name, status) => {
    const { iot, id, update } = await setup();
    iot.inject({ operation, kind: 'exception', name });
    const failure = await failureOf(update('REVOKED'));
    expect(failure.name).toBe(name);
    expect(failure.$metadata?.httpStatusCode).toBe(status);
    expect(iot.calls[0]).toMatchObject({ answer: name, applied: false });
    expect(iot.status(id)).toBe('ACTIVE');
  });

  test('may have a name, status and message that AWS IoT does not have', async () => {
    const { iot, update } = await setup();
    iot.inject({
      operation,
      kind: 'exception',
      name: 'TeapotException',
      status: 418,
      message: 'no',
    });
    const failure = await failureOf(update('REVOKED'));
    expect(failure).toMatchObject({ name: 'TeapotException', message: 'no' });
    expect(failure.$metadata?.httpStatusCode).toBe(418);
  });
});

describe('a broken connection', () => {
  test('before applying leaves the certificate as it was', async () => {
    const { iot, id, update } = await setup();
    iot.inject({ operation, kind: 'reset', when: 'before-applying' });
    expect(await failureOf(update('REVOKED'))).toMatchObject({ code: 'ECONNRESET' });
    expect(iot.calls[0]).toMatchObject({ answer: 'reset', applied: false });
    expect(iot.status(id)).toBe('ACTIVE');
  });

  test('after applying looks the same, but the certificate is revoked', async () => {
    const { iot, id, update } = await setup();
    iot.inject({ operation, kind: 'reset', when: 'after-applying' });
    expect(await failureOf(update('REVOKED'))).toMatchObject({ code: 'ECONNRESET' });
    expect(iot.calls[0]).toMatchObject({ answer: 'reset', applied: true });
    expect(iot.status(id)).toBe('REVOKED');
  });

  test('after what would have been refused applies nothing', async () => {
    const { iot, update } = await setup({}, 'REVOKED');
    iot.inject({ operation, kind: 'reset', when: 'after-applying' });
    expect(await failureOf(update('ACTIVE'))).toMatchObject({ code: 'ECONNRESET' });
    expect(iot.calls[0]).toMatchObject({ answer: 'reset', applied: false });
  });
});

describe('a hanging call', () => {
  test.each([
    ['before-applying', 'ACTIVE'],
    ['after-applying', 'REVOKED'],
  ] as const)('%s ends only when the client gives up: then %s', async (when, status) => {
    const { iot, id, update } = await setup();
    iot.inject({ operation, kind: 'hang', when });
    const abort = new AbortController();
    const failure = failureOf(update('REVOKED', abort.signal));
    await iot.waitFor((calls) => calls[0]?.answer === 'hang');
    abort.abort();
    expect((await failure).name).toBe('AbortError');
    expect(iot.status(id)).toBe(status);
    expect(iot.calls[0]?.answeredAtMs).toBeUndefined();
    await update('REVOKED');
  });

  test('does not hold up a stop', async () => {
    const { iot, update } = await setup();
    iot.inject({ operation, kind: 'hang', when: 'before-applying', times: 3 });
    const failures = [update('REVOKED'), update('REVOKED'), update('REVOKED')].map(failureOf);
    await iot.waitFor((calls) => calls.filter(({ answer }) => answer === 'hang').length === 3);
    const waiting = failureOf(iot.waitFor(() => false));
    await iot.stop();
    for (const failure of failures) expect(await failure).toMatchObject({ code: 'ECONNRESET' });
    expect((await waiting).message).toContain('stopped while waiting');
  });
});

describe('a slow call', () => {
  test('is applied and answered after the wait', async () => {
    const waits: number[] = [];
    const { promise: waited, resolve: endWait } = Promise.withResolvers<void>();
    const { iot, id, update } = await setup({
      sleep: (ms) => {
        waits.push(ms);
        return waited;
      },
    });
    iot.inject({ operation, kind: 'slow', ms: 250 });
    const done = update('REVOKED');
    await iot.waitFor((calls) => calls[0]?.answer === 'pending');
    expect(iot.status(id)).toBe('ACTIVE');
    endWait();
    await done;
    expect(iot.status(id)).toBe('REVOKED');
    expect(waits).toEqual([250]);
  });

  test('does not hold up a stop, with the real timer', async () => {
    const { iot, update } = await setup();
    iot.inject({ operation, kind: 'slow', ms: 3_600_000 });
    const failure = failureOf(update('REVOKED'));
    await iot.waitFor((calls) => calls.length === 1);
    await iot.stop();
    await failure;
    expect(iot.calls[0]).toMatchObject({ answer: 'pending', applied: false });
  });
});

describe('a load balancer', () => {
  test('answers 503 with HTML, which the SDK still reports with its status', async () => {
    const { iot, id, update } = await setup();
    iot.inject({ operation, kind: 'html' });
    const failure = await failureOf(update('REVOKED'));
    expect(failure.$metadata?.httpStatusCode).toBe(503);
    expect(iot.calls[0]).toMatchObject({ answer: 'html', applied: false });
    expect(iot.status(id)).toBe('ACTIVE');
  });
});

describe('faults', () => {
  test('come behind the throttle: a throttled call leaves them unspent', async () => {
    const { iot, update } = await setup({ quota: { rate: 0, burst: 0 } });
    iot.inject({ operation, kind: 'exception', name: 'InternalFailureException' });
    expect((await failureOf(update('REVOKED'))).name).toBe('ThrottlingException');
    iot.setQuota('unlimited');
    expect((await failureOf(update('REVOKED'))).name).toBe('InternalFailureException');
    await update('REVOKED');
  });

  test('go away when removed', async () => {
    const { iot, update } = await setup();
    const remove = iot.inject({ operation, kind: 'html', times: 'always' });
    await failureOf(update('REVOKED'));
    await failureOf(update('REVOKED'));
    remove();
    await update('REVOKED');
    expect(iot.calls.map(({ answer }) => answer)).toEqual(['html', 'html', 'ok']);
  });
});

describe('the fault plan', () => {
  const throttled: Fault = { operation, kind: 'exception', name: 'ThrottlingException' };

  test('strikes once unless told how often', () => {
    expect(strikes([throttled], 3)).toEqual(['exception', undefined, undefined]);
    expect(strikes([{ ...throttled, times: 2 }], 3)).toEqual(['exception', 'exception', undefined]);
    expect(strikes([{ ...throttled, times: 'always' }], 2)).toEqual(['exception', 'exception']);
  });

  test('strikes only the operation and the certificate it is aimed at', () => {
    const plan = createFaultPlan(() => 0);
    plan.inject({ ...throttled, certificateId: 'a' });
    expect(plan.strike('DescribeCertificate', 'a').effect).toBeUndefined();
    expect(plan.strike(operation, 'b').effect).toBeUndefined();
    expect(plan.strike(operation, 'a').effect?.kind).toBe('exception');
  });

  test('strikes by chance, for ever unless told how often', () => {
    const rolls = [0.1, 0.9, 0.29, 0.3];
    const kinds = strikes([{ ...throttled, probability: 0.3 }], 4, () => rolls.shift() ?? 1);
    expect(kinds).toEqual(['exception', undefined, 'exception', undefined]);
    expect(strikes([{ ...throttled, probability: 1, times: 1 }], 2)).toEqual([
      'exception',
      undefined,
    ]);
  });

  test('takes faults in the order they came, one a call', () => {
    const html: Fault = { operation, kind: 'html' };
    expect(strikes([throttled, html], 3)).toEqual(['exception', 'html', undefined]);
  });

  test('adds slowness to whatever else happens', () => {
    const plan = createFaultPlan(() => 0);
    for (const ms of [20, 30]) plan.inject({ operation, kind: 'slow', ms });
    plan.inject(throttled);
    expect(plan.strike(operation, 'a')).toMatchObject({ delayMs: 50, effect: throttled });
    expect(plan.strike(operation, 'a')).toEqual({ delayMs: 0 });
  });

  test('forgets all when cleared', () => {
    const plan = createFaultPlan(() => 0);
    plan.inject({ ...throttled, times: 'always' });
    plan.clear();
    expect(plan.strike(operation, 'a')).toEqual({ delayMs: 0 });
  });

  test.each<[string, Fault, string]>([
    ['a probability over 1', { ...throttled, probability: 2 }, 'probability'],
    ['no times at all', { ...throttled, times: 0 }, 'times'],
    ['a foreign name without status', { operation, kind: 'exception', name: 'Tea' }, 'status'],
    ['a wait into the past', { operation, kind: 'slow', ms: -1 }, 'ms'],
  ])('refuses %s', (_what, fault, member) => {
    expect(() => createFaultPlan(() => 0).inject(fault)).toThrow(member);
  });
});

function strikes(faults: readonly Fault[], count: number, random = (): number => 0) {
  const plan = createFaultPlan(random);
  for (const fault of faults) plan.inject(fault);
  return Array.from({ length: count }, () => plan.strike(operation, 'a').effect?.kind);
}

async function setup(options: IotOptions = {}, status: CertificateStatus = 'ACTIVE') {
  const iot = await startIot(options);
  const client = iotClientFor(iot);
  closers.push(async () => {
    client.destroy();
    await iot.stop();
  });
  const [certificateId = ''] = await iot.seed({ count: 1, status });
  return {
    iot,
    id: certificateId,
    update: (newStatus: CertificateStatus, abortSignal?: AbortSignal) =>
      client.send(
        new UpdateCertificateCommand({ certificateId, newStatus }),
        abortSignal === undefined ? {} : { abortSignal },
      ),
  };
}
