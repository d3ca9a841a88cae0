import { describe, expect, test } from 'vitest';
import { foreign } from '../src/place.ts';

const deployment = { accountId: '123456789012', region: 'eu-west-1' };

function look(place: { readonly account?: string; readonly region?: string }) {
  return foreign(place, ['detail'], 'awsAccountId', 'awsRegion', deployment);
}

describe('a place', () => {
  test.each([
    {},
    { account: '123456789012' },
    { region: 'eu-west-1' },
    { account: '123456789012', region: 'eu-west-1' },
  ])('is this deployment’s, as far as it is told: %j', (place) => {
    expect(look(place)).toBeUndefined();
  });

  test('of another account is refused by its field, whatever its region', () => {
    for (const region of ['eu-west-1', 'eu-west-2']) {
      expect(look({ account: '210987654321', region })).toEqual({
        kind: 'refused',
        failureKind: 'foreign-account',
        reason:
          'detail.awsAccountId: it is of account 210987654321; this worker changes certificates of 123456789012 only',
      });
    }
  });

  test.each([{}, { account: '123456789012' }])(
    'of another region is refused by its field: %j',
    (place) => {
      expect(look({ ...place, region: 'us-east-1' })).toEqual({
        kind: 'refused',
        failureKind: 'foreign-region',
        reason:
          'detail.awsRegion: it is of region us-east-1; this worker changes certificates in eu-west-1 only',
      });
    },
  );

  test.each(['', 'EU', 'eu west', ' eu-west-2', 'eu-west-2 ', 'eu\u202e', 'a'.repeat(33)])(
    'that looks like none is quoted: %j',
    (strange) => {
      expect(look({ account: strange })?.reason).toContain('of account "');
      expect(look({ region: strange })?.reason).toContain('of region "');
    },
  );

  test('with a name of its longest is told as it is', () => {
    expect(look({ region: 'a'.repeat(32) })?.reason).toContain(`of region ${'a'.repeat(32)};`);
  });
});
