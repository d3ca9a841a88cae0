// The same control plane, asked by clients that share no code with the AWS SDK for JavaScript: what
// they make of its answers is the best evidence that the answers are AWS's.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateIdOf } from '../../src/sandbox/certificate.ts';
import { startIot, type IotSandbox } from '../../src/sandbox/iot.ts';
import { bareEnvironment, missing, run } from './command.ts';

const clientEnvironment = {
  ...bareEnvironment,
  AWS_ACCESS_KEY_ID: 'sandbox',
  AWS_SECRET_ACCESS_KEY: 'sandbox',
  AWS_DEFAULT_REGION: 'us-east-1',
};
// Starting Python takes a second or more on a busy machine.
const patience = { timeout: 60_000 };

// One process asks everything, since starting one takes longer than all its calls.
const boto3Script = `
import base64, hashlib, json, sys, boto3

endpoint, faulty = sys.argv[1], json.loads(sys.argv[2])
iot = boto3.client('iot', endpoint_url=endpoint)
seen = {'errors': {}}

def refused(name, call, **arguments):
    try:
        call(**arguments)
    except getattr(iot.exceptions, name) as error:
        metadata = error.response['ResponseMetadata']
        assert metadata['RequestId'], name
        seen['errors'][name] = metadata['HTTPStatusCode']

made = iot.create_keys_and_certificate(setAsActive=True)
arn, id, pem = made['certificateArn'], made['certificateId'], made['certificatePem']
der = base64.b64decode(''.join(pem.split('\\n')[1:-2]))
seen['fingerprint'] = hashlib.sha256(der).hexdigest() == id

iot.create_thing(thingName='hall:pump-1', attributePayload={'attributes': {'site': 'A'}})
iot.attach_thing_principal(thingName='hall:pump-1', principal=arn)
seen['principals'] = iot.list_thing_principals(thingName='hall:pump-1')['principals'] == [arn]
seen['things'] = iot.list_principal_things(principal=arn)['things']

refused('CertificateStateException', iot.delete_certificate, certificateId=id)
iot.update_certificate(certificateId=id, newStatus='INACTIVE')
refused('DeleteConflictException', iot.delete_certificate, certificateId=id, forceDelete=True)
iot.detach_thing_principal(thingName='hall:pump-1', principal=arn)
iot.delete_certificate(certificateId=id)
refused('ResourceNotFoundException', iot.describe_certificate, certificateId=id)

again = iot.register_certificate_without_ca(certificatePem=pem, status='ACTIVE')
seen['registered'] = again['certificateArn'] == arn
register = iot.register_certificate_without_ca
refused('ResourceAlreadyExistsException', register, certificatePem=pem)
refused('CertificateValidationException', register, certificatePem='hello')

iot.update_certificate(certificateId=id, newStatus='REVOKED')
iot.update_certificate(certificateId=id, newStatus='REVOKED')
described = iot.describe_certificate(certificateId=id)['certificateDescription']
seen['described'] = [described['status'], described['certificateMode']]
seen['dates'] = [described['creationDate'].year, described['validity']['notAfter'].year]
refused('InvalidRequestException', iot.update_certificate, certificateId=id, newStatus='PENDING_TRANSFER')
for name, victim in faulty.items():
    refused(name, iot.update_certificate, certificateId=victim, newStatus='REVOKED')

pages = list(iot.get_paginator('list_certificates').paginate(ascendingOrder=True))
seen['pages'] = [len(page['certificates']) for page in pages]
seen['listed'] = [one['certificateId'] for page in pages for one in page['certificates']]
seen['id'] = id
print(json.dumps(seen))
`;

const noBoto3 = missing('python3', ['-c', 'import boto3']);
const noAws = missing('aws', ['--version']);

describe.skipIf(noBoto3)('boto3', () => {
  test('gets the same results and the same typed errors', patience, async () => {
    await using iot = await startIot({ quota: 'unlimited', now: () => Date.UTC(2026, 10, 21) });
    const ids = await iot.seed({ count: 59 });
    const names = [
      'ThrottlingException',
      'InternalFailureException',
      'ServiceUnavailableException',
      'UnauthorizedException',
    ];
    const faulty = Object.fromEntries(names.map((name, index) => [name, ids[index] ?? '']));
    for (const [name, certificateId] of Object.entries(faulty)) {
      iot.inject({ operation: 'UpdateCertificate', certificateId, kind: 'exception', name });
    }

    const seen = await boto3(iot, JSON.stringify(faulty));

    const id = String(seen['id']);
    expect(seen).toEqual({
      id,
      fingerprint: true,
      principals: true,
      things: ['hall:pump-1'],
      registered: true,
      described: ['REVOKED', 'SNI_ONLY'],
      dates: [2026, 2049],
      errors: {
        CertificateStateException: 406,
        CertificateValidationException: 400,
        DeleteConflictException: 409,
        InternalFailureException: 500,
        InvalidRequestException: 400,
        ResourceAlreadyExistsException: 409,
        ResourceNotFoundException: 404,
        ServiceUnavailableException: 503,
        ThrottlingException: 400,
        UnauthorizedException: 401,
      },
      pages: [25, 25, 10],
      listed: [...ids, id],
    });
    expect(iot.status(id)).toBe('REVOKED');
    expect(iot.calls[0]?.userAgent).toContain('Boto3/');
  });
});

describe.skipIf(noAws)('the AWS CLI', () => {
  let iot: IotSandbox;
  let ids: readonly string[];

  beforeAll(async () => {
    iot = await startIot({ quota: 'unlimited' });
    ids = await iot.seed({ count: 30, status: 'REVOKED' }); // more than one page of 25
  });
  afterAll(() => iot.stop());

  test('creates keys and a certificate that verify', patience, async () => {
    const { stdout } = await aws('create-keys-and-certificate', '--set-as-active');
    const made = JSON.parse(stdout) as {
      readonly certificateId: string;
      readonly certificateArn: string;
      readonly certificatePem: string;
      readonly keyPair: { readonly PrivateKey: string };
    };
    const certificate = new X509Certificate(made.certificatePem);
    expect(certificateIdOf(certificate.raw)).toBe(made.certificateId);
    expect(certificate.checkPrivateKey(createPrivateKey(made.keyPair.PrivateKey))).toBe(true);

    const change = ['--certificate-id', made.certificateId, '--new-status', 'INACTIVE'];
    const updated = await aws('update-certificate', ...change);
    expect(updated).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(iot.status(made.certificateId)).toBe('INACTIVE');
  });

  test('reports a refusal by the name of the exception', patience, async () => {
    const [terminal, unknown] = await Promise.all([
      aws('update-certificate', '--certificate-id', ids[0] ?? '', '--new-status', 'ACTIVE'),
      aws('describe-certificate', '--certificate-id', 'a'.repeat(64)),
    ]);
    expect(terminal.stderr).toContain(
      'An error occurred (CertificateStateException) when calling the UpdateCertificate operation',
    );
    expect(unknown.stderr).toContain('(ResourceNotFoundException)');
    expect([terminal.exitCode, unknown.exitCode]).not.toContain(0);
  });

  test('lists all pages', patience, async () => {
    const revoked = 'certificates[?status==`REVOKED`].certificateId';
    const { stdout } = await aws('list-certificates', '--query', revoked);
    expect(JSON.parse(stdout)).toEqual(ids.toReversed());
    expect(iot.calls.filter(({ operation }) => operation === 'ListCertificates')).toHaveLength(2);
  });

  async function aws(...command: readonly string[]) {
    return run(
      'aws',
      ['--endpoint-url', iot.endpoint, '--output', 'json', 'iot', ...command],
      clientEnvironment,
    );
  }
});

async function boto3(iot: IotSandbox, argument: string): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await run(
    'python3',
    ['-c', boto3Script, iot.endpoint, argument],
    clientEnvironment,
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}
