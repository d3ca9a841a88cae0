// The queue of a lane, as the environment names it.

import { queueVariable, regionOfQueue, type Environment } from '../config.ts';
import type { Lane } from '../lane.ts';
import { quote } from '../quote.ts';

export type Destination =
  | {
      readonly kind: 'queue';
      readonly queueUrl: string;
      /** The region that an URL of AWS's names; of others we do not know it. */
      readonly region: string | undefined;
    }
  | { readonly kind: 'problem'; readonly problem: string };

const example = 'https://sqs.eu-west-1.amazonaws.com/123456789012/my-queue';

/** Where requests of this lane go. */
export function destinationOf(lane: Lane, environment: Environment): Destination {
  const name = queueVariable[lane];
  const queueUrl = environment[name] ?? '';
  if (/^https?:\/\/[^\s/]+\/\S+$/.test(queueUrl)) {
    return { kind: 'queue', queueUrl, region: regionOfQueue(queueUrl) };
  }
  const held = queueUrl === '' ? 'it is not set' : `it holds ${quote(queueUrl)}`;
  return {
    kind: 'problem',
    problem: `${name}: ${held}; the URL of the ${lane} lane’s SQS queue is expected, such as ${example}`,
  };
}
