// AWS IoT Device Defender Audit: a summary of checks and how many resources failed each. Which ones
// they are has to be asked for (ListAuditFindings), so each check becomes one intent of its own.
// Source: AWS docs "How to perform audits", section "Notifications", with its JSON schema.

import * as z from 'zod';
import type { Wrapped } from '../envelope.ts';
import type { Intent, Reading } from '../intent.ts';
import { foreign } from '../place.ts';
import { quote } from '../quote.ts';
import type { Deployment } from '../request.ts';
import { fit, isObject, present, refused } from '../shape.ts';
import { auditCheckOf, checkForm, whyNot } from './audit-check.ts';
import { strangeCarrier } from './carrier.ts';

/** Any two of them mark a notification, so that one with a field missing is still recognised. */
const marks = [
  'taskId',
  'taskStatus',
  'taskType',
  'auditDetails',
  'failedChecksCount',
  'nonCompliantChecksCount',
  'totalChecksCount',
];

/** AWS service model, AuditTaskId. */
export const taskIdPattern: RegExp = /^[a-zA-Z0-9-]{1,40}$/;
export const taskIdForm = '1 to 40 of the characters a-z, A-Z, 0-9 and "-" are expected';
const countForm = 'a whole number, 0 or more, is expected';
const statusForm = '"COMPLETED", "FAILED" or "CANCELED" is expected';

const auditDetail = z.looseObject(
  {
    checkName: z.string({ error: 'the name of an audit check is expected' }),
    checkRunStatus: z.enum(
      ['COMPLETED_NON_COMPLIANT', 'COMPLETED_COMPLIANT', 'FAILED', 'CANCELED'],
      {
        error:
          '"COMPLETED_NON_COMPLIANT", "COMPLETED_COMPLIANT", "FAILED" or "CANCELED" is expected',
      },
    ),
    nonCompliantResourcesCount: z.int({ error: countForm }).min(0, { error: countForm }),
  },
  { error: 'an object that tells of one check is expected' },
);

type AuditDetail = z.infer<typeof auditDetail>;

const notification = z.looseObject(
  {
    accountId: z
      .string({ error: '12 digits are expected' })
      .regex(/^\d{12}$/, { error: '12 digits are expected' }),
    taskId: z.string({ error: taskIdForm }).regex(taskIdPattern, { error: taskIdForm }),
    taskStatus: z.enum(['COMPLETED', 'FAILED', 'CANCELED'], { error: statusForm }),
    auditDetails: z.array(auditDetail, { error: 'an array with one object per check is expected' }),
  },
  { error: 'a JSON object is expected' },
);

/** Reads an audit's notification, as SNS carries it. */
export function readAudit(content: Wrapped, deployment: Deployment): Reading | undefined {
  const { value, path } = content;
  if (!isObject(value) || Object.hasOwn(value, 'newStatus')) return undefined;
  if (marks.filter((mark) => Object.hasOwn(value, mark)).length < 2) return undefined;
  const fitted = fit(notification, value, path);
  if (fitted.kind === 'refused') return fitted;
  const { accountId, taskId, taskStatus, auditDetails } = fitted.value;

  const intents = new Map<string, Intent>();
  const why = new Set<string>();
  const unknown: string[] = [];
  for (const [at, detail] of auditDetails.entries()) {
    if (!isFound(detail)) continue;
    const check = auditCheckOf(detail.checkName);
    if (check === undefined) {
      const where = [...path, 'auditDetails', at, 'checkName'].join('.');
      unknown.push(`${where}: it holds ${quote(detail.checkName)}; ${checkForm} is expected`);
    } else if (check.kind === 'certificate') {
      intents.set(check.name, intentOf(taskId, check.name, detail));
    } else {
      why.add(whyNot(check));
    }
  }
  const [first, ...others] = intents.values();
  if (first !== undefined) {
    // What there is to act on is not held up by what is not understood; the event tells of that.
    const { reason: notUnderstood } = refused('invalid-request', ...unknown);
    const told =
      unknown.length === 0 ? first : { ...first, other: { ...first.other, notUnderstood } };
    return (
      foreign({ account: accountId }, path, 'accountId', '', deployment) ??
      strangeCarrier(content, deployment) ?? { kind: 'intents', intents: [told, ...others] }
    );
  }
  return unknown.length > 0
    ? refused('invalid-request', ...unknown)
    : { kind: 'ignored', cause: causeOf(taskId, taskStatus, [...why]) };
}

/** A check that failed or was canceled has counted in vain: its findings may be yesterday's. */
function isFound({ checkRunStatus, nonCompliantResourcesCount }: AuditDetail): boolean {
  return checkRunStatus === 'COMPLETED_NON_COMPLIANT' && nonCompliantResourcesCount > 0;
}

function intentOf(taskId: string, checkName: string, detail: AuditDetail): Intent {
  return {
    target: { kind: 'audit', taskId, checkName },
    origin: { format: 'device-defender-audit', name: checkName, id: taskId },
    other: present({
      nonCompliantResourcesCount: detail.nonCompliantResourcesCount,
      totalResourcesCount: detail['totalResourcesCount'],
    }),
  };
}

function causeOf(taskId: string, taskStatus: string, why: readonly string[]): string {
  const ended = taskStatus === 'COMPLETED' ? 'has found' : `ended as ${taskStatus} and has found`;
  const what = why.length === 0 ? 'nothing' : 'nothing to act on';
  return [`audit task ${taskId} ${ended} ${what}`, ...why].join('; ');
}
