// Takes a request out of what carried it: an SNS notification, an EventBridge event, or both.
// Sources: AWS docs "SNS message formats" and "EventBridge event structure".

import { readJson } from './json.ts';
import { quote } from './quote.ts';

/** SNS around EventBridge around a request is the deepest that AWS builds. */
const mostLayers = 2;

export type Content =
  | { readonly kind: 'content'; readonly value: unknown; readonly path: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** The innermost JSON value of a message body, and the path that leads to it. */
export function unwrap(body: string): Content {
  const outer = readJson(body);
  if (outer.kind === 'refused') return { kind: 'refused', reason: `body: ${outer.reason}` };
  let layer: Content = { kind: 'content', value: outer.value, path: [] };
  for (let layers = 0; layer.kind === 'content'; layers++) {
    const inner = innerOf(layer.value, layer.path);
    if (inner === undefined) return layer;
    if (layers === mostLayers) {
      return {
        kind: 'refused',
        reason: `${layer.path.join('.')}: more than ${mostLayers} envelopes inside one another`,
      };
    }
    layer = inner;
  }
  return layer;
}

function innerOf(value: unknown, path: readonly string[]): Content | undefined {
  if (!isObject(value)) return undefined;
  if (typeof value['TopicArn'] === 'string' && typeof value['Type'] === 'string') {
    return fromSns(value, path);
  }
  if (typeof value['detail-type'] === 'string' && typeof value['source'] === 'string') {
    return { kind: 'content', value: value['detail'], path: [...path, 'detail'] };
  }
  return undefined;
}

function fromSns(value: Readonly<Record<string, unknown>>, path: readonly string[]): Content {
  const at = (field: string): string => [...path, field].join('.');
  if (value['Type'] !== 'Notification') {
    return {
      kind: 'refused',
      reason: `${at('Type')}: this is an SNS ${quote(value['Type'])}, which asks for no certificate; only a "Notification" does`,
    };
  }
  const message = value['Message'];
  if (typeof message !== 'string') {
    return {
      kind: 'refused',
      reason: `${at('Message')}: it holds ${quote(message)}; an SNS notification has a string there`,
    };
  }
  const inner = readJson(message);
  return inner.kind === 'refused'
    ? { kind: 'refused', reason: `${at('Message')}: ${inner.reason}` }
    : { kind: 'content', value: inner.value, path: [...path, 'Message'] };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
