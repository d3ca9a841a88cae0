// Whose an alert is. Things and audit tasks mean something in their own account and region only, and
// an alert that says neither came through a topic or an event bus that does.

import type { Wrapped } from '../envelope.ts';
import { foreign } from '../place.ts';
import { quote } from '../quote.ts';
import type { Deployment, Refusal } from '../request.ts';
import { refused } from '../shape.ts';

const topicPattern = /^arn:aws[a-z-]*:sns:([a-z0-9-]+):(\d{12}):[A-Za-z0-9_.-]+$/;
const topicForm = 'arn:aws:sns:<region>:<account>:<topic>';

/** Why what carried the alert is not of this deployment; nothing if it is, or says nothing. */
export function strangeCarrier(
  { topicArn, event, path }: Wrapped,
  deployment: Deployment,
): Refusal | undefined {
  const inside = path.slice(0, -1);
  if (event === undefined) return strangeTopic(topicArn, inside, deployment);
  return (
    foreign(event, inside, 'account', 'region', deployment) ??
    strangeTopic(topicArn, inside.slice(0, -1), deployment)
  );
}

function strangeTopic(
  topicArn: string | undefined,
  path: readonly string[],
  deployment: Deployment,
): Refusal | undefined {
  if (topicArn === undefined) return undefined;
  const [, region, account] = topicPattern.exec(topicArn) ?? [];
  if (region !== undefined && account !== undefined) {
    return foreign({ account, region }, path, 'TopicArn', 'TopicArn', deployment);
  }
  const at = [...path, 'TopicArn'].join('.');
  return refused('invalid-request', `${at}: it holds ${quote(topicArn)}; ${topicForm} is expected`);
}
