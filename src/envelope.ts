// Takes a request out of what carried it: an SNS notification, an EventBridge event, or both.
// Sources: AWS docs "SNS message formats" and "EventBridge event structure"; "SQS action of IoT rules",
// which may encode a body in base64.

import { readJson, type Json } from './json.ts';
import { quote } from './quote.ts';

/** SNS around EventBridge around a request is the deepest that AWS builds. */
const mostLayers = 2;

export interface Wrapped {
  readonly kind: 'content';
  readonly value: unknown;
  /** The path that leads to the value, for messages to people. */
  readonly path: readonly string[];
  /** The SNS topic that it came by, if any. */
  readonly topicArn?: string;
  /** The EventBridge event that it is the detail of, if any. */
  readonly event?: EventEnvelope;
}

/** What an EventBridge event says about itself; what is no string is absent. */
export interface EventEnvelope {
  readonly source: string;
  readonly detailType: string;
  readonly account?: string;
  readonly region?: string;
  readonly id?: string;
}

export type Content = Wrapped | { readonly kind: 'refused'; readonly reason: string };

/** The innermost JSON value of a message body, and the path that leads to it. */
export function unwrap(body: string): Content {
  const outer = readOutermost(body);
  if (outer.kind === 'refused') return { kind: 'refused', reason: `body: ${outer.reason}` };
  let layer: Content = { kind: 'content', value: outer.value, path: [] };
  for (let layers = 0; layer.kind === 'content'; layers++) {
    const inner = innerOf(layer);
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

function readOutermost(body: string): Json {
  const json = readJson(body);
  if (json.kind === 'json') return json;
  const text = fromBase64(body);
  if (text === undefined || !text.trimStart().startsWith('{')) return json;
  const decoded = readJson(text);
  return decoded.kind === 'json'
    ? decoded
    : { kind: 'refused', reason: `as the base64 that it is in: ${decoded.reason}` };
}

/** The UTF-8 text that a body is the base64 of, in the one way to write it (RFC 4648, section 4). */
function fromBase64(body: string): string | undefined {
  if (body.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(body)) return undefined;
  try {
    const bytes = atob(body);
    if (btoa(bytes) !== body) return undefined;
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)),
    );
  } catch {
    return undefined;
  }
}

function innerOf(outer: Wrapped): Content | undefined {
  const { value, path } = outer;
  if (!isObject(value)) return undefined;
  const { TopicArn: topicArn, Type: type, 'detail-type': detailType, source } = value;
  if (typeof topicArn === 'string' && typeof type === 'string') {
    return fromSns(value, path, topicArn);
  }
  if (typeof detailType === 'string' && typeof source === 'string') {
    const { detail, account, region, id } = value;
    return {
      ...outer,
      value: detail,
      path: [...path, 'detail'],
      event: {
        source,
        detailType,
        ...(typeof account === 'string' && { account }),
        ...(typeof region === 'string' && { region }),
        ...(typeof id === 'string' && { id }),
      },
    };
  }
  return undefined;
}

function fromSns(
  value: Readonly<Record<string, unknown>>,
  path: readonly string[],
  topicArn: string,
): Content {
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
    : { kind: 'content', value: inner.value, path: [...path, 'Message'], topicArn };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
