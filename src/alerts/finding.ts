// One finding of AWS Security Hub, in the AWS Security Finding Format (ASFF), and what it asks for.
// Sources: AWS docs "ASFF", and "Integration with AWS Security Hub" in the Device Defender guide,
// which shows an audit finding, an audit's check summary and a Detect violation.

import * as z from 'zod';
import type { Intent, Origin, Reading, Target } from '../intent.ts';
import { foreign } from '../place.ts';
import { quote } from '../quote.ts';
import type { Deployment } from '../request.ts';
import { fit, present, refused } from '../shape.ts';
import { thingName } from '../thing.ts';
import { auditCheckOf, checkForm, whyNot } from './audit-check.ts';
import { taskIdForm, taskIdPattern } from './audit.ts';
import { defenderName } from './detect.ts';
import { certificatesIn } from './finding-certificates.ts';

const idForm = 'the id of the finding is expected, in at most 512 characters';
const productForm = 'the ARN of the product that found it is expected';
const anObject = { error: 'an object is expected' };

const finding = z.looseObject(
  {
    Id: z.string({ error: idForm }).min(1, { error: idForm }).max(512, { error: idForm }),
    ProductArn: z
      .string({ error: productForm })
      .regex(/^arn:/, { error: productForm })
      .max(2048, { error: productForm }),
    AwsAccountId: z
      .string({ error: '12 digits are expected' })
      .regex(/^\d{12}$/, { error: '12 digits are expected' }),
    Region: z.string({ error: 'the name of a region is expected' }),
    RecordState: z
      .enum(['ACTIVE', 'ARCHIVED'], { error: '"ACTIVE" or "ARCHIVED" is expected' })
      .optional(),
    Workflow: z
      .looseObject(
        {
          Status: z
            .enum(['NEW', 'ASSIGNED', 'IN_PROGRESS', 'NOTIFIED', 'RESOLVED', 'SUPPRESSED'], {
              error: '"NEW", "NOTIFIED", "RESOLVED" or "SUPPRESSED" is expected',
            })
            .optional(),
        },
        anObject,
      )
      .optional(),
    Compliance: z
      .looseObject(
        {
          Status: z
            .enum(['PASSED', 'WARNING', 'FAILED', 'NOT_AVAILABLE'], {
              error: '"PASSED", "WARNING", "FAILED" or "NOT_AVAILABLE" is expected',
            })
            .optional(),
        },
        anObject,
      )
      .optional(),
    ProductFields: z.record(z.string(), z.unknown(), anObject).optional(),
    Resources: z.array(
      z.looseObject(
        {
          Type: z.string({ error: 'the type of a resource is expected' }),
          Id: z.string({ error: 'the id of a resource is expected' }),
          Details: z.unknown().optional(),
        },
        { error: 'a resource is expected' },
      ),
      { error: 'an array of resources is expected' },
    ),
  },
  { error: 'a finding is expected' },
);

type Finding = z.infer<typeof finding>;

/** What surrounds a finding: where it stands, and the custom action that a person chose for it, if any. */
export interface FindingContext {
  readonly path: readonly string[];
  readonly deployment: Deployment;
  readonly actionName?: string;
}

export function readFinding(value: unknown, context: FindingContext): Reading {
  const { path, deployment } = context;
  const fitted = fit(finding, value, path);
  if (fitted.kind === 'refused') return fitted;
  const { AwsAccountId: account, Region: region } = fitted.value;
  const over = whyOver(fitted.value);
  if (over !== undefined) return ignored(fitted.value, over);
  return (
    foreign({ account, region }, path, 'AwsAccountId', 'Region', deployment) ??
    readerOf(fitted.value.ProductArn)(fitted.value, context)
  );
}

/** Why there is nothing left to do about a finding; nothing if there is. */
function whyOver({ RecordState, Workflow, Compliance }: Finding): string | undefined {
  if (RecordState === 'ARCHIVED') return 'it is archived';
  if (Workflow?.Status === 'SUPPRESSED') return 'somebody has suppressed it';
  if (Workflow?.Status === 'RESOLVED') return 'it is resolved';
  if (Compliance?.Status === 'PASSED') return 'what was checked has passed';
  return undefined;
}

type Reader = (finding: Finding, context: FindingContext) => Reading;

function readerOf(productArn: string): Reader {
  const product = /^arn:aws[a-z-]*:securityhub:[a-z0-9-]+:\d*:product\/aws\/([a-z0-9-]+)$/;
  const [, name] = product.exec(productArn) ?? [];
  if (name === 'iot-device-defender-detect') return readDetect;
  return name === 'iot-device-defender-audit' ? readAuditFinding : readCertificates;
}

const detectFields = z.looseObject({
  SecurityProfileName: defenderName,
  BehaviorName: defenderName,
  ThingName: thingName.optional(),
});

function readDetect(finding: Finding, context: FindingContext): Reading {
  const { path, actionName } = context;
  const fields = fit(detectFields, finding.ProductFields ?? {}, [...path, 'ProductFields']);
  if (fields.kind === 'refused') return fields;
  const { SecurityProfileName, BehaviorName, ThingName, SuppressAlerts } = fields.value;
  // Over SNS such a violation would never have come.
  if (actionName === undefined && SuppressAlerts === 'true') {
    return ignored(finding, 'the alerts of its behavior are suppressed');
  }
  let named = ThingName;
  for (const [at, { Type, Id }] of finding.Resources.entries()) {
    if (Type !== 'AwsIotRegisteredThing') continue;
    const where = [...path, 'Resources', String(at), 'Id'];
    const name = fit(thingName, Id, where);
    if (name.kind === 'refused') return name;
    named ??= name.value;
    if (named === name.value) continue;
    return refused(
      'invalid-request',
      `${where.join('.')}: it holds ${quote(Id)}, and ${quote(named)} is named before; one thing is expected`,
    );
  }
  if (named === undefined) {
    return refused(
      'invalid-request',
      `${[...path, 'ProductFields', 'ThingName'].join('.')}: it holds nothing; the name of the thing is expected there, or in a resource of type "AwsIotRegisteredThing"`,
    );
  }
  const about = `${SecurityProfileName}/${BehaviorName}`;
  return intents(finding, context, [{ kind: 'thing', thingName: named }], about);
}

const auditFields = z.looseObject({
  CheckName: z
    .string({ error: `${checkForm} is expected` })
    .regex(/^[A-Z0-9_]{1,128}$/, { error: `${checkForm} is expected` }),
  ReportType: z.enum(['AuditFinding', 'CheckSummary'], {
    error: '"AuditFinding" or "CheckSummary" is expected',
  }),
  TaskId: z.string({ error: taskIdForm }).regex(taskIdPattern, { error: taskIdForm }),
});

function readAuditFinding(finding: Finding, context: FindingContext): Reading {
  const fields = fit(auditFields, finding.ProductFields ?? {}, [...context.path, 'ProductFields']);
  if (fields.kind === 'refused') return fields;
  const { CheckName, TaskId: taskId, IsSuppressed, ReportType } = fields.value;
  const check = auditCheckOf(CheckName);
  if (IsSuppressed === 'true') return ignored(finding, 'the audit has it as suppressed');
  if (check !== undefined && check.kind !== 'certificate') return ignored(finding, whyNot(check));
  const checkName = check?.name ?? CheckName;
  if (ReportType !== 'CheckSummary') return readCertificates(finding, context, checkName);
  // Who chooses the sum of what a check has found means it all.
  return context.actionName === undefined
    ? ignored(finding, 'it sums up a check, whose findings come one by one')
    : intents(finding, context, [{ kind: 'audit', taskId, checkName }]);
}

function readCertificates(finding: Finding, context: FindingContext, about?: string): Reading {
  const { path, deployment } = context;
  const named = certificatesIn(finding.Resources, finding.ProductFields ?? {});
  if (named.length === 0) {
    return refused(
      'invalid-request',
      `${[...path, 'Resources'].join('.')}: no device certificate is named there or in ProductFields; its ARN is expected, or its id in a resource whose type, or under a key whose name, holds "certificate"`,
    );
  }
  const targets: Target[] = [];
  for (const { certificateId, registered, path: inside } of named) {
    if (registered === undefined) {
      targets.push({ kind: 'certificate', certificateId });
      continue;
    }
    const { accountId: account, region, partition } = registered;
    const field = inside.join('.');
    const refusal = foreign({ account, region }, path, field, field, deployment);
    if (refusal !== undefined) return refusal;
    targets.push({ kind: 'certificate', certificateId, partition });
  }
  return intents(finding, context, targets, about);
}

/** `about` is what of the product's findings policy may tell apart: the check, or the behavior. */
function intents(
  finding: Finding,
  { actionName }: FindingContext,
  targets: readonly Target[],
  about?: string,
): Reading {
  const { Id: id, Title, GeneratorId, Severity, ProductArn } = finding;
  const product = about === undefined ? ProductArn : `${ProductArn}/${about}`;
  const origin: Origin =
    actionName === undefined
      ? { format: 'security-hub-imported', name: product, id }
      : { format: 'security-hub-custom-action', name: actionName, id };
  const other = present({ Title, GeneratorId, Severity, ProductArn });
  return {
    kind: 'intents',
    intents: targets.map((target): Intent => ({ target, origin, other })),
  };
}

function ignored({ Id }: Finding, why: string): Reading {
  return { kind: 'ignored', cause: `finding ${quote(Id)}: ${why}` };
}
