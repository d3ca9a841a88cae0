import { describe, expect, test } from 'vitest';
import { arnForm, certificateAt, idForm, idPattern, idProblem } from '../src/certificate.ts';

const id = 'ab12'.repeat(16);
const arn = `arn:aws:iot:eu-west-1:123456789012:cert/${id}`;

describe('the ARN of a certificate', () => {
  test('says which it is, and where it is registered', () => {
    expect(certificateAt(arn)).toEqual({
      certificateId: id,
      partition: 'aws',
      region: 'eu-west-1',
      accountId: '123456789012',
    });
  });

  test('has its id in lower case, however it is written', () => {
    const shouted = `arn:aws-us-gov:iot:us-gov-west-1:123456789012:cert/${id.toUpperCase()}`;
    expect(certificateAt(shouted)).toMatchObject({ certificateId: id, partition: 'aws-us-gov' });
  });

  test.each([
    '',
    id,
    `${arn}0`,
    `${arn} `,
    ` ${arn}`,
    `x${arn}`,
    arn.slice(0, -1),
    arn.replace('cert/', 'cacert/'),
    arn.replace('cert/', 'thing/'),
    arn.replace(':iot:', ':acm:'),
    arn.replace('arn:aws:', 'arn::'),
    arn.replace('arn:aws:', 'arn:gcp:'),
    arn.replace('arn:aws:', 'arn:awsX:'),
    arn.replace('arn:aws:', 'arn:aws1:'),
    arn.replace('eu-west-1', ''),
    arn.replace('eu-west-1', 'EU'),
    arn.replace('123456789012', ''),
    arn.replace('123456789012', '12345678901'),
    arn.replace('123456789012', '1234567890123'),
    arn.replace('123456789012', '12345678901a'),
    arn.replace('ab12', 'xy12'),
  ])('is none: %j', (text) => {
    expect(certificateAt(text)).toBeUndefined();
  });
});

describe('the id of a certificate', () => {
  test.each([id, id.toUpperCase()])('may be %s', (text) => {
    expect(idPattern.test(text)).toBe(true);
  });

  test.each(['', id.slice(1), `${id}0`, `g${id.slice(1)}`, `${id}\n`])('is none: %j', (text) => {
    expect(idPattern.test(text)).toBe(false);
  });
});

describe('what is wrong with an id is told', () => {
  const prefixed = `"0x" and 62 digits are no fingerprint; ${idForm}, without a prefix, are expected`;

  test.each([`0x${id.slice(2)}`, `0x${id.slice(2).toUpperCase()}`])(
    'of one with a prefix: %s',
    (input) => {
      expect(idProblem({ input })).toBe(prefixed);
    },
  );

  test.each([
    ['ab', 2],
    ['0', 1],
    [`${id}AB`, 66],
  ])('of one that is too short or too long: %s', (input, length) => {
    expect(idProblem({ input })).toBe(
      `that is ${length} hexadecimal characters; ${idForm}, are expected`,
    );
  });

  test.each([
    '',
    'xy',
    'xab',
    'abx',
    `0x${id}`,
    `0x${id.slice(3)}`,
    `00x${id.slice(2)}`,
    `0x${id.slice(2)}!`,
    `0x${'g'.repeat(62)}`,
    undefined,
    null,
    {},
  ])('of anything else: %j', (input) => {
    expect(idProblem({ input })).toBe(`${idForm}, are expected`);
  });

  test('by the form that is expected', () => {
    expect(idForm).toBe('64 hexadecimal characters, the SHA-256 fingerprint of the certificate');
    expect(arnForm).toBe('arn:aws:iot:<region>:<account>:cert/<64 hexadecimal characters>');
  });
});
