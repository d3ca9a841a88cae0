// AWS Security Hub: findings as EventBridge carries them, each time one is imported or changed, and
// when a person has chosen a custom action for some.
// Source: AWS docs "EventBridge event formats for Security Hub".

import * as z from 'zod';
import type { Wrapped } from '../envelope.ts';
import type { Intent, Reading } from '../intent.ts';
import { quote } from '../quote.ts';
import type { Deployment, Refusal } from '../request.ts';
import { fit, refused } from '../shape.ts';
import { readFinding } from './finding.ts';

const imported = 'Security Hub Findings - Imported';
const customAction = 'Security Hub Findings - Custom Action';

const findings = z
  .array(z.unknown(), { error: 'an array of findings is expected' })
  .min(1, { error: 'one finding or more is expected' });

const nameForm = 'the name of the custom action is expected';

const importedDetail = z.looseObject({ findings }, { error: 'a JSON object is expected' });
const actionDetail = importedDetail.extend({
  actionName: z.string({ error: nameForm }).min(1, nameForm).max(128, nameForm),
});

/** Reads an event of Security Hub's. */
export function readSecurityHub(content: Wrapped, deployment: Deployment): Reading | undefined {
  const { event, value, path } = content;
  if (event?.source !== 'aws.securityhub') return undefined;
  if (event.detailType === imported) {
    const fitted = fit(importedDetail, value, path);
    if (fitted.kind === 'refused') return fitted;
    return readAll(fitted.value.findings, path, deployment);
  }
  if (event.detailType === customAction) {
    const fitted = fit(actionDetail, value, path);
    if (fitted.kind === 'refused') return fitted;
    return readAll(fitted.value.findings, path, deployment, fitted.value.actionName);
  }
  const at = [...path.slice(0, -1), 'detail-type'].join('.');
  return refused(
    'invalid-request',
    `${at}: it holds ${quote(event.detailType)}; ${quote(imported)} or ${quote(customAction)} is expected`,
  );
}

/** One finding that cannot be used refuses them all: nothing is half done. */
function readAll(
  findings: readonly unknown[],
  path: readonly string[],
  deployment: Deployment,
  actionName?: string,
): Reading {
  const readings = findings.map((finding, at) =>
    readFinding(finding, {
      path: [...path, 'findings', String(at)],
      deployment,
      ...(actionName !== undefined && { actionName }),
    }),
  );
  const refusals = readings.filter((reading): reading is Refusal => reading.kind === 'refused');
  const [first] = refusals;
  if (first !== undefined) {
    return refused(first.failureKind, ...refusals.map(({ reason }) => reason));
  }
  const intents = readings.flatMap((reading) =>
    reading.kind === 'intents' ? reading.intents : [],
  );
  if (intents.length > 0) return { kind: 'intents', intents: withoutRepeats(intents) };
  const causes = readings.flatMap((reading) => (reading.kind === 'ignored' ? [reading.cause] : []));
  return { kind: 'ignored', cause: [...new Set(causes)].slice(0, 8).join('; ') };
}

/** The first intent for each target, of those that policy cannot tell apart. */
function withoutRepeats(intents: readonly Intent[]): readonly Intent[] {
  const first = new Map<string, Intent>();
  for (const intent of intents) {
    const { target, origin } = intent;
    const named = target.kind === 'certificate' ? target.certificateId : target;
    const key = JSON.stringify([named, origin?.name]);
    if (!first.has(key)) first.set(key, intent);
  }
  return [...first.values()];
}
