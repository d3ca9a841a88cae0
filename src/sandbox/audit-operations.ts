// What AWS IoT Device Defender tells of its audits. It runs none here: the admin surface enters what one
// would have found.

import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { ok, refuse, type Answer } from './answer.ts';
import { refuseInvalid } from './constraint.ts';
import { pageOf } from './page.ts';
import { arnOf, type AuditFinding, type Registry } from './registry.ts';

/** What an audit has found, as a person or a test enters it. */
export const auditSchema: z.ZodType<Audit> = z.strictObject({
  /** 1 to 40 of a-z, A-Z, 0-9 and -. Default: a new one. */
  taskId: z
    .string()
    .regex(/^[a-zA-Z0-9-]{1,40}$/)
    .optional(),
  findings: z.array(
    z.strictObject({
      checkName: z.string().min(1),
      /** 64 hexadecimal characters; absent for a finding about something else. */
      certificateId: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/)
        .optional(),
      /** Somebody has said that it is no trouble. Default false. */
      isSuppressed: z.boolean().optional(),
    }),
  ),
});

/** What an audit has found. More of the same task adds to it. */
export interface Audit {
  readonly taskId?: string | undefined;
  readonly findings: readonly {
    readonly checkName: string;
    readonly certificateId?: string | undefined;
    readonly isSuppressed?: boolean | undefined;
  }[];
}

/** Enters what an audit has found; answers its task's id. */
export function enterAudit(registry: Registry, { taskId = newTaskId(), findings }: Audit): string {
  const known = registry.audits.get(taskId);
  const entered = findings.map(({ checkName, certificateId, isSuppressed = false }) => ({
    findingId: randomUUID(),
    checkName,
    certificateId,
    isSuppressed,
    foundAtMs: registry.now(),
  }));
  registry.audits.set(taskId, {
    startedAtMs: known?.startedAtMs ?? registry.now(),
    findings: [...(known?.findings ?? []), ...entered],
  });
  return taskId;
}

/** As AWS's look: 32 hexadecimal characters. */
function newTaskId(): string {
  return randomUUID().replaceAll('-', '');
}

/**
 * ListAuditFindings of a task, in pages of 25 unless asked otherwise. A task that is not there, or whose
 * findings are older than 90 days, has none: the model has no ResourceNotFoundException for it.
 */
export function listAuditFindings(
  registry: Registry,
  input: {
    readonly taskId: string | undefined;
    readonly checkName: string | undefined;
    readonly maxResults: string | undefined;
    readonly nextToken: string | undefined;
    readonly listSuppressedFindings: boolean | undefined;
    /** startTime or endTime is there. */
    readonly isOfPeriod: boolean;
  },
): Answer {
  const { taskId, checkName, maxResults, nextToken, listSuppressedFindings } = input;
  const refusal = refuseInvalid({ taskId, maxResults });
  if (refusal !== undefined) return refusal;
  if (taskId === undefined || input.isOfPeriod) {
    return refuse(
      'InvalidRequestException',
      'Either taskId or startTime and endTime must be given; this sandbox knows tasks only',
    );
  }
  const { findings = [], startedAtMs = 0 } = registry.audits.get(taskId) ?? {};
  const wanted = [...findings.entries()].filter(
    ([, finding]) =>
      (checkName === undefined || finding.checkName === checkName) &&
      (listSuppressedFindings === undefined || finding.isSuppressed === listSuppressedFindings),
  );
  const { items, marker } = pageOf(wanted, ([serial]) => String(serial).padStart(12, '0'), {
    size: Number(maxResults ?? 25),
    marker: nextToken,
    order: 'ascending',
  });
  return ok({
    findings: items.map(([, finding]) => shownOf(registry, finding, { taskId, startedAtMs })),
    nextToken: marker ?? null,
  });
}

function shownOf(
  registry: Registry,
  { findingId, checkName, certificateId, isSuppressed, foundAtMs }: AuditFinding,
  { taskId, startedAtMs }: { readonly taskId: string; readonly startedAtMs: number },
): object {
  return {
    findingId,
    taskId,
    checkName,
    taskStartTime: startedAtMs / 1000,
    findingTime: foundAtMs / 1000,
    severity: 'CRITICAL',
    nonCompliantResource:
      certificateId === undefined
        ? { resourceType: 'ACCOUNT_SETTINGS', resourceIdentifier: { account: registry.accountId } }
        : {
            resourceType: 'DEVICE_CERTIFICATE',
            resourceIdentifier: {
              deviceCertificateId: certificateId,
              deviceCertificateArn: arnOf(registry, `cert/${certificateId}`),
            },
          },
    relatedResources: [],
    isSuppressed,
  };
}
