// Bodies that nobody can use, one of each sort that a queue collects over the years. All of them
// are about a certificate that must stay as it is.

import { createHash } from 'node:crypto';
import type { Letter, Place } from './plan.ts';

/** The letters; `certificateId` is of a real certificate that is ACTIVE and must stay so. */
export function unusableLetters(certificateId: string, place: Place): readonly Letter[] {
  const request = { certificateId, newStatus: 'REVOKED' } as const;
  const usable = JSON.stringify(request);
  const variant = (other: object): string => JSON.stringify({ ...request, ...other });
  const unknown = { ...request, certificateId: sha256('no such certificate') };
  return [
    refused('malformed-body', ' '), // SQS takes no message that is quite empty
    refused('malformed-body', 'please revoke the pump in hall 4'),
    refused('malformed-body', usable.slice(0, -9)),
    refused('malformed-body', `\uFEFF${usable}`),
    refused('malformed-body', `${usable.slice(0, -1)},"newStatus":"INACTIVE"}`), // which of the two?
    refused('malformed-body', `${'['.repeat(20_000)}${']'.repeat(20_000)}`),
    refused('invalid-request', '{}'),
    refused('invalid-request', variant({ certificateId: certificateId.slice(1) })),
    refused('invalid-request', variant({ certificateId: `0x${certificateId.slice(2)}` })),
    refused('invalid-request', variant({ certificateId: [certificateId] })),
    refused('invalid-request', variant({ newStatus: 'revoked' })),
    refused('status-not-allowed', variant({ newStatus: 'ACTIVE' })),
    refused('status-not-allowed', variant({ newStatus: 'PENDING_TRANSFER' })),
    refused('foreign-account', byArn(certificateId, { ...place, accountId: '999999999999' })),
    refused('foreign-region', byArn(certificateId, { ...place, region: 'ap-southeast-9' })),
    { ...refused('not-found', JSON.stringify(unknown)), request: unknown },
  ];
}

function refused(refusal: string, body: string): Letter {
  return { lane: 'alert', body, refusal };
}

function byArn(certificateId: string, { region, accountId }: Place): string {
  const certificateArn = `arn:aws:iot:${region}:${accountId}:cert/${certificateId}`;
  return JSON.stringify({ certificateArn, newStatus: 'REVOKED' });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
