import {
  AttachThingPrincipalCommand,
  CertificateStateException,
  CertificateValidationException,
  CreateKeysAndCertificateCommand,
  CreateThingCommand,
  DeleteCertificateCommand,
  DeleteConflictException,
  DescribeCertificateCommand,
  DetachThingPrincipalCommand,
  GetPolicyCommand,
  InvalidRequestException,
  ListPrincipalThingsCommand,
  ListThingPrincipalsCommand,
  paginateListCertificates,
  paginateListThingPrincipals,
  RegisterCertificateWithoutCACommand,
  ResourceAlreadyExistsException,
  ResourceNotFoundException,
  ThrottlingException,
  UpdateCertificateCommand,
  type CertificateStatus,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { certificateIdOf, createIssuer, pemOf } from '../../src/sandbox/certificate.ts';
import { startIot, type IotOptions, type IotSandbox } from '../../src/sandbox/iot.ts';
import { failureOf, iotClientFor } from '../helpers/iot-client.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

describe('UpdateCertificate', () => {
  test('changes the status, and answers 200 with an empty body', async () => {
    const { iot, id } = await setup();
    const response = await fetch(`${iot.endpoint}/certificates/${id}?newStatus=INACTIVE`, {
      method: 'PUT',
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
    expect(response.headers.get('x-amzn-RequestId')).toBe(iot.calls[0]?.requestId);
    expect(iot.status(id)).toBe('INACTIVE');
  });

  test('goes back and forth between ACTIVE and INACTIVE', async () => {
    const { iot, id, update } = await setup();
    await update(id, 'INACTIVE');
    await update(id, 'ACTIVE');
    expect(iot.status(id)).toBe('ACTIVE');
  });

  test('is idempotent, for REVOKED too', async () => {
    const { iot, id, update } = await setup();
    await update(id, 'REVOKED');
    await update(id, 'REVOKED');
    expect(iot.status(id)).toBe('REVOKED');
  });

  test.each(['ACTIVE', 'INACTIVE'] as const)('does not turn REVOKED into %s', async (status) => {
    const { iot, id, update } = await setup({}, 'REVOKED');
    const failure = await failureOf(update(id, status));
    expect(failure).toBeInstanceOf(CertificateStateException);
    expect(failure.$metadata?.httpStatusCode).toBe(406);
    expect(iot.status(id)).toBe('REVOKED');
  });

  test.each(['PENDING_TRANSFER', 'PENDING_ACTIVATION', 'REGISTER_INACTIVE'] as const)(
    'never takes %s',
    async (status) => {
      const { iot, id, update } = await setup();
      expect(await failureOf(update(id, status))).toBeInstanceOf(InvalidRequestException);
      expect(iot.status(id)).toBe('ACTIVE');
    },
  );

  test('knows no certificate of another case: ids are case sensitive', async () => {
    const { id, update } = await setup();
    const failure = await failureOf(update(id.toUpperCase(), 'REVOKED'));
    expect(failure).toBeInstanceOf(ResourceNotFoundException);
    expect(failure.$metadata?.httpStatusCode).toBe(404);
  });

  test('lets 0x and 62 digits pass as an id, which names no certificate', async () => {
    const { id, update } = await setup();
    expect(await failureOf(update(`0x${id.slice(2)}`, 'REVOKED'))).toBeInstanceOf(
      ResourceNotFoundException,
    );
  });

  test.each([
    ['too short', 'a'.repeat(63), 'greater than or equal to 64'],
    ['too long', 'a'.repeat(65), 'less than or equal to 64'],
    ['no hex', 'g'.repeat(64), 'regular expression pattern'],
    ['an ARN', `arn:aws:iot:us-east-1:000000000000:cert/${'a'.repeat(64)}`, 'less than or equal'],
  ])('refuses an id that is %s', async (_what, id, reason) => {
    const { update } = await setup();
    const failure = await failureOf(update(id, 'REVOKED'));
    expect(failure).toBeInstanceOf(InvalidRequestException);
    expect(failure.message).toContain("at 'certificateId' failed to satisfy constraint");
    expect(failure.message).toContain(reason);
  });

  test('names every violation at once', async () => {
    const { iot } = await setup();
    const response = await fetch(`${iot.endpoint}/certificates/xyz`, { method: 'PUT' });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-amzn-ErrorType')).toBe('InvalidRequestException');
    const { message } = (await response.json()) as { readonly message: string };
    expect(message).toMatch(/^3 validation errors detected: /);
    expect(message).toContain("Value null at 'newStatus'");
  });
});

describe('the quota', () => {
  test('is ten calls and ten more a second, and refuses with HTTP 400', async () => {
    let nowMs = 0;
    const { iot, id, update } = await setup({ now: () => nowMs });
    await Promise.all(Array.from({ length: 10 }, () => update(id, 'ACTIVE')));
    const failure = await failureOf(update(id, 'REVOKED'));
    expect(failure).toBeInstanceOf(ThrottlingException);
    expect(failure.$metadata?.httpStatusCode).toBe(400);
    expect(failure.message).toBe('Rate exceeded');
    expect(iot.status(id)).toBe('ACTIVE');
    nowMs += 100;
    await update(id, 'REVOKED');
    expect(iot.status(id)).toBe('REVOKED');
  });

  test('changes while running, and can be lifted', async () => {
    const { iot, id, update } = await setup({ now: () => 0 });
    iot.setQuota({ rate: 1, burst: 1 });
    await update(id, 'INACTIVE');
    expect(await failureOf(update(id, 'INACTIVE'))).toBeInstanceOf(ThrottlingException);
    iot.setQuota('unlimited');
    await Promise.all(Array.from({ length: 30 }, () => update(id, 'INACTIVE')));
  });

  test('is one per operation, and only UpdateCertificate has one unless asked for', async () => {
    const { iot, id, client, update } = await setup({ quota: { rate: 0, burst: 0 }, now: () => 0 });
    const describeIt = () => client.send(new DescribeCertificateCommand({ certificateId: id }));
    await describeIt();
    expect(await failureOf(update(id, 'INACTIVE'))).toBeInstanceOf(ThrottlingException);
    iot.setQuota({ rate: 0, burst: 1 }, 'DescribeCertificate');
    await describeIt();
    expect(await failureOf(describeIt())).toBeInstanceOf(ThrottlingException);
  });
});

describe('CreateKeysAndCertificate', () => {
  test('makes a real key pair and certificate, whose fingerprint is the id', async () => {
    const { iot, client } = await setup();
    const made = await client.send(new CreateKeysAndCertificateCommand({ setAsActive: true }));
    const certificate = new X509Certificate(made.certificatePem ?? '');
    expect(certificateIdOf(certificate.raw)).toBe(made.certificateId);
    expect(made.certificateArn).toBe(
      `arn:aws:iot:us-east-1:000000000000:cert/${made.certificateId}`,
    );
    expect(certificate.checkPrivateKey(createPrivateKey(made.keyPair?.PrivateKey ?? ''))).toBe(
      true,
    );
    expect(made.keyPair?.PublicKey).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(iot.status(made.certificateId ?? '')).toBe('ACTIVE');
  });

  test('leaves it INACTIVE unless asked', async () => {
    const { iot, client } = await setup();
    const { certificateId } = await client.send(new CreateKeysAndCertificateCommand({}));
    expect(iot.status(certificateId ?? '')).toBe('INACTIVE');
  });
});

describe('RegisterCertificateWithoutCA', () => {
  test('registers a certificate once', async () => {
    const { iot, client } = await setup();
    const { issue } = await createIssuer(() => 0);
    const der = await issue();
    const register = () =>
      client.send(
        new RegisterCertificateWithoutCACommand({ certificatePem: pemOf(der), status: 'ACTIVE' }),
      );
    const { certificateId, certificateArn } = await register();
    expect(certificateId).toBe(certificateIdOf(der));
    expect(iot.status(certificateIdOf(der))).toBe('ACTIVE');
    const failure = await failureOf(register());
    expect(failure).toBeInstanceOf(ResourceAlreadyExistsException);
    expect(failure).toMatchObject({ resourceId: certificateId, resourceArn: certificateArn });
  });

  test('refuses what is no certificate', async () => {
    const { client } = await setup();
    expect(
      await failureOf(
        client.send(new RegisterCertificateWithoutCACommand({ certificatePem: 'hello' })),
      ),
    ).toBeInstanceOf(CertificateValidationException);
  });
});

describe('DescribeCertificate', () => {
  test('tells what the model says, with the times of the clock', async () => {
    let nowMs = Date.UTC(2026, 10, 21, 12, 0, 0, 250);
    const { iot, id, client, update } = await setup({
      now: () => nowMs,
      region: 'eu-west-1',
      accountId: '123456789012',
    });
    nowMs += 5000;
    await update(id, 'REVOKED');
    const { certificateDescription } = await client.send(
      new DescribeCertificateCommand({ certificateId: id }),
    );
    expect(certificateDescription).toMatchObject({
      certificateId: id,
      certificateArn: `arn:aws:iot:eu-west-1:123456789012:cert/${id}`,
      status: 'REVOKED',
      ownedBy: '123456789012',
      certificateMode: 'DEFAULT',
      customerVersion: 2,
      creationDate: new Date('2026-11-21T12:00:00.250Z'),
      lastModifiedDate: new Date('2026-11-21T12:00:05.250Z'),
      validity: {
        notBefore: new Date('2026-11-21T11:58:00Z'),
        notAfter: new Date('2049-12-31T23:59:59Z'),
      },
    });
    expect(new X509Certificate(certificateDescription?.certificatePem ?? '').subject).toBe(
      'CN=AWS IoT Certificate',
    );
    expect([iot.region, iot.accountId]).toEqual(['eu-west-1', '123456789012']);
  });

  test('knows no certificate that is not there', async () => {
    const { client } = await setup();
    expect(
      await failureOf(
        client.send(new DescribeCertificateCommand({ certificateId: 'a'.repeat(64) })),
      ),
    ).toBeInstanceOf(ResourceNotFoundException);
  });
});

describe('ListCertificates', () => {
  test('pages through all, newest first, 25 a page unless asked', async () => {
    const { iot, client, id } = await setup();
    const ids = [id, ...(await iot.seed({ count: 59 }))];
    const pages = await collect(paginateListCertificates({ client }, {}));
    expect(pages.map(({ certificates }) => certificates?.length)).toEqual([25, 25, 10]);
    expect(idsIn(pages)).toEqual(ids.toReversed());
  });

  test('pages oldest first when asked, and takes a page size', async () => {
    const { iot, client, id } = await setup();
    const ids = [id, ...(await iot.seed({ count: 6 }))];
    const pages = await collect(
      paginateListCertificates({ client, pageSize: 3 }, { ascendingOrder: true }),
    );
    expect(pages.map(({ certificates }) => certificates?.length)).toEqual([3, 3, 1]);
    expect(idsIn(pages)).toEqual(ids);
  });

  test('neither repeats nor skips when a certificate goes between two pages', async () => {
    const { iot, client, id } = await setup({}, 'INACTIVE');
    const ids = [id, ...(await iot.seed({ count: 5, status: 'INACTIVE' }))];
    const seen: (string | undefined)[] = [];
    for await (const { certificates } of paginateListCertificates(
      { client, pageSize: 2 },
      { ascendingOrder: true },
    )) {
      seen.push(...(certificates ?? []).map(({ certificateId }) => certificateId));
      if (seen.length > 2) continue;
      await client.send(new DeleteCertificateCommand({ certificateId: ids[1] }));
    }
    expect(seen).toEqual(ids);
  });

  test('refuses a page of 251', async () => {
    const { iot } = await setup();
    const response = await fetch(`${iot.endpoint}/certificates?pageSize=251`);
    expect(response.headers.get('x-amzn-ErrorType')).toBe('InvalidRequestException');
  });
});

describe('DeleteCertificate', () => {
  test('refuses an ACTIVE certificate, and deletes one that is not', async () => {
    const { iot, id, client, update } = await setup();
    const remove = () => client.send(new DeleteCertificateCommand({ certificateId: id }));
    expect(await failureOf(remove())).toBeInstanceOf(CertificateStateException);
    await update(id, 'INACTIVE');
    await remove();
    expect(iot.status(id)).toBeUndefined();
    expect(await failureOf(remove())).toBeInstanceOf(ResourceNotFoundException);
  });

  test.each([false, true])(
    'refuses one that is attached to a thing, forceDelete %s',
    async (forceDelete) => {
      const { id, client, attach, principalOf } = await setup({}, 'INACTIVE');
      await attach('pump-1', id);
      const remove = () =>
        client.send(new DeleteCertificateCommand({ certificateId: id, forceDelete }));
      const failure = await failureOf(remove());
      expect(failure).toBeInstanceOf(DeleteConflictException);
      expect(failure.$metadata?.httpStatusCode).toBe(409);
      await client.send(
        new DetachThingPrincipalCommand({ thingName: 'pump-1', principal: principalOf(id) }),
      );
      await remove();
    },
  );
});

describe('things', () => {
  test('are created once, and again with the same configuration', async () => {
    const { client } = await setup();
    const create = (attributes: Record<string, string>) =>
      client.send(
        new CreateThingCommand({ thingName: 'hall:pump-1', attributePayload: { attributes } }),
      );
    const { thingArn, thingId } = await create({ site: 'A' });
    expect(thingArn).toBe('arn:aws:iot:us-east-1:000000000000:thing/hall:pump-1');
    expect(await create({ site: 'A' })).toMatchObject({ thingId });
    expect(await failureOf(create({ site: 'B' }))).toBeInstanceOf(ResourceAlreadyExistsException);
  });

  test('hold several certificates, and a certificate serves several things', async () => {
    const { iot, id, client, attach, principalOf } = await setup();
    const [other = ''] = await iot.seed({ count: 1 });
    await attach('pump-1', id);
    await attach('pump-1', other);
    await attach('pump-2', id);
    const { principals } = await client.send(
      new ListThingPrincipalsCommand({ thingName: 'pump-1' }),
    );
    expect(principals).toEqual([principalOf(id), principalOf(other)].sort());
    const { things } = await client.send(
      new ListPrincipalThingsCommand({ principal: principalOf(id) }),
    );
    expect(things).toEqual(['pump-1', 'pump-2']);
  });

  test('may hold principals that are no certificates', async () => {
    const { client } = await setup();
    const principal = 'us-east-1:11111111-2222-3333-4444-555555555555';
    await client.send(new CreateThingCommand({ thingName: 'pump-1' }));
    await client.send(new AttachThingPrincipalCommand({ thingName: 'pump-1', principal }));
    const listed = await client.send(new ListThingPrincipalsCommand({ thingName: 'pump-1' }));
    expect(listed.principals).toEqual([principal]);
  });

  test('list their principals in pages', async () => {
    const { iot, client, attach } = await setup();
    for (const id of await iot.seed({ count: 5 })) await attach('pump-1', id);
    const pages = await collect(
      paginateListThingPrincipals({ client, pageSize: 2 }, { thingName: 'pump-1' }),
    );
    expect(pages.map(({ principals }) => principals?.length)).toEqual([2, 2, 1]);
    expect(new Set(pages.flatMap(({ principals }) => principals ?? [])).size).toBe(5);
  });

  test('that do not exist have no principals and take none', async () => {
    const { id, client, principalOf } = await setup();
    const list = client.send(new ListThingPrincipalsCommand({ thingName: 'ghost' }));
    expect(await failureOf(list)).toBeInstanceOf(ResourceNotFoundException);
    const attach = client.send(
      new AttachThingPrincipalCommand({ thingName: 'ghost', principal: principalOf(id) }),
    );
    expect(await failureOf(attach)).toBeInstanceOf(ResourceNotFoundException);
  });

  test.each([
    ['a certificate of another account', 'arn:aws:iot:us-east-1:999999999999:cert/', 'id'],
    ['a certificate that is not registered', 'arn:aws:iot:us-east-1:000000000000:cert/', 'ghost'],
  ])('do not take %s', async (_what, prefix, which) => {
    const { id, client } = await setup();
    await client.send(new CreateThingCommand({ thingName: 'pump-1' }));
    const principal = `${prefix}${which === 'id' ? id : 'a'.repeat(64)}`;
    expect(
      await failureOf(
        client.send(new AttachThingPrincipalCommand({ thingName: 'pump-1', principal })),
      ),
    ).toBeInstanceOf(ResourceNotFoundException);
  });

  test('do not take what is no principal, nor bear any name', async () => {
    const { client } = await setup();
    await client.send(new CreateThingCommand({ thingName: 'pump-1' }));
    const attach = client.send(
      new AttachThingPrincipalCommand({ thingName: 'pump-1', principal: 'me' }),
    );
    expect(await failureOf(attach)).toBeInstanceOf(InvalidRequestException);
    const create = client.send(new CreateThingCommand({ thingName: 'a b' }));
    expect(await failureOf(create)).toBeInstanceOf(InvalidRequestException);
  });
});

describe('the control plane', () => {
  test('refuses an operation that it does not have, by name', async () => {
    const { iot, client } = await setup();
    const failure = await failureOf(client.send(new GetPolicyCommand({ policyName: 'p' })));
    expect(failure.name).toBe('UnknownOperationException');
    expect(failure.$metadata?.httpStatusCode).toBe(404);
    expect(iot.calls.map(({ operation }) => operation)).toEqual(['UnknownOperation']);
  });

  test('refuses a body that is no JSON', async () => {
    const { iot } = await setup();
    const response = await fetch(`${iot.endpoint}/certificate/register-no-ca`, {
      method: 'POST',
      body: '{',
    });
    expect(response.headers.get('x-amzn-ErrorType')).toBe('SerializationException');
  });

  test('logs each call in order of receipt', async () => {
    const { iot, id, client, update } = await setup({ now: () => 42 });
    await update(id, 'REVOKED');
    await failureOf(update(id, 'ACTIVE'));
    await client.send(new DescribeCertificateCommand({ certificateId: id }));
    expect(iot.calls).toMatchObject([
      {
        operation: 'UpdateCertificate',
        certificateId: id,
        newStatus: 'REVOKED',
        receivedAtMs: 42,
        answeredAtMs: 42,
        answer: 'ok',
        applied: true,
        userAgent: expect.stringContaining('aws-sdk-js/3'),
      },
      { newStatus: 'ACTIVE', answer: 'CertificateStateException', applied: false },
      { operation: 'DescribeCertificate', certificateId: id, answer: 'ok' },
    ]);
  });

  test('hands the log its request id too', async () => {
    const { iot, id, update } = await setup();
    const { $metadata } = await update(id, 'REVOKED');
    expect($metadata.requestId).toBe(iot.calls[0]?.requestId);
  });

  test('seeds a thousand distinct certificates', async () => {
    const { iot } = await setup();
    const ids = await iot.seed({ count: 1000, status: 'INACTIVE' });
    expect(new Set(ids).size).toBe(1000);
    expect(ids.every((id) => iot.status(id) === 'INACTIVE')).toBe(true);
  });

  test('is gone when the scope that holds it ends', async () => {
    let endpoint: string;
    {
      await using iot = await startIot();
      endpoint = iot.endpoint;
    }
    await expect(fetch(endpoint)).rejects.toThrow('fetch failed');
  });
});

async function setup(options: IotOptions = {}, status: CertificateStatus = 'ACTIVE') {
  const iot: IotSandbox = await startIot(options);
  const client: IoTClient = iotClientFor(iot);
  closers.push(async () => {
    client.destroy();
    await iot.stop();
  });
  const [id = ''] = await iot.seed({ count: 1, status });
  const principalOf = (certificateId: string) =>
    `arn:aws:iot:${iot.region}:${iot.accountId}:cert/${certificateId}`;
  return {
    iot,
    client,
    id,
    principalOf,
    update: (certificateId: string, newStatus: CertificateStatus) =>
      client.send(new UpdateCertificateCommand({ certificateId, newStatus })),
    attach: async (thingName: string, certificateId: string) => {
      await client.send(new CreateThingCommand({ thingName }));
      await client.send(
        new AttachThingPrincipalCommand({ thingName, principal: principalOf(certificateId) }),
      );
    },
  };
}

async function collect<Page>(pages: AsyncIterable<Page>): Promise<readonly Page[]> {
  const collected: Page[] = [];
  for await (const page of pages) collected.push(page);
  return collected;
}

function idsIn(
  pages: readonly {
    readonly certificates?: { readonly certificateId?: string | undefined }[] | undefined;
  }[],
) {
  return pages.flatMap(({ certificates = [] }) => certificates.map((one) => one.certificateId));
}
