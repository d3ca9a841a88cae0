// Things, their principals and audit findings, by AWS IoT Core's control plane.

import {
  ListAuditFindingsCommand,
  ListPrincipalThingsCommand,
  ListThingPrincipalsCommand,
  type AuditFinding,
} from '@aws-sdk/client-iot';
import type { Directory, Finding, Page } from '../directory.ts';
import type { Deployment } from '../request.ts';
import { slowestCallMs } from './certificates.ts';
import { within } from './client.ts';
import { failureOf } from './failure.ts';
import { createIotClient } from './iot-client.ts';

/** The most that AWS puts on a page of any of these lists (AWS service model, maxResults). */
const mostPerPage = 250;

/** Connections at the same time: ten calls a second of each list, and an answer may take its time. */
const maxSockets = 50;

/**
 * The lists of one account and region, with the SDK's own environment.
 *
 * @param timeLimitMs the longest that one call may take; default `slowestCallMs`
 */
export function createDirectory(
  deployment: Deployment,
  timeLimitMs: number = slowestCallMs,
): Directory {
  const client = createIotClient({ maxSockets, requestTimeoutMs: timeLimitMs });

  async function pageOf<Item>(
    abandon: AbortSignal,
    ask: (abortSignal: AbortSignal) => Promise<Listed<Item>>,
  ): Promise<Page<Item>> {
    try {
      const { items, nextToken } = await within(timeLimitMs, abandon, ask);
      // An empty token would ask for the first page again.
      return { kind: 'page', items: items ?? [], ...(nextToken && { nextToken }) };
    } catch (error) {
      return { kind: 'failed', failure: failureOf(error) };
    }
  }

  return {
    thingPrincipals: (thingName, nextToken, abandon) =>
      pageOf(abandon, async (abortSignal) => {
        const command = new ListThingPrincipalsCommand({
          thingName,
          nextToken,
          maxResults: mostPerPage,
        });
        const answer = await client.send(command, { abortSignal });
        return { items: answer.principals, nextToken: answer.nextToken };
      }),
    principalThings: (certificateId, nextToken, abandon) =>
      pageOf(abandon, async (abortSignal) => {
        const command = new ListPrincipalThingsCommand({
          principal: arnOf(certificateId, deployment),
          nextToken,
          maxResults: mostPerPage,
        });
        const answer = await client.send(command, { abortSignal });
        return { items: answer.things, nextToken: answer.nextToken };
      }),
    auditFindings: ({ taskId, checkName }, nextToken, abandon) =>
      pageOf(abandon, async (abortSignal) => {
        const command = new ListAuditFindingsCommand({
          taskId,
          checkName,
          nextToken,
          maxResults: mostPerPage,
        });
        const answer = await client.send(command, { abortSignal });
        return { items: answer.findings?.map(findingOf), nextToken: answer.nextToken };
      }),
  };
}

/** What the SDK makes of an answer that lacks something, or has null there. */
interface Listed<Item> {
  readonly items: readonly Item[] | null | undefined;
  readonly nextToken: string | null | undefined;
}

function findingOf({ nonCompliantResource, isSuppressed }: AuditFinding): Finding {
  const certificateId = nonCompliantResource?.resourceIdentifier?.deviceCertificateId;
  return {
    ...(certificateId && { certificateId }),
    isSuppressed: isSuppressed === true,
  };
}

/** How the list of things wants a certificate to be named. */
function arnOf(certificateId: string, { accountId, region }: Deployment): string {
  return `arn:${partitionOf(region)}:iot:${region}:${accountId}:cert/${certificateId}`;
}

/** What regions of other partitions than aws begin with (the SDK's partitions.json). */
const partitions: readonly (readonly [string, string])[] = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['eusc-', 'aws-eusc'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['eu-isoe-', 'aws-iso-e'],
  ['us-isof-', 'aws-iso-f'],
];

function partitionOf(region: string): string {
  return partitions.find(([start]) => region.startsWith(start))?.[1] ?? 'aws';
}
