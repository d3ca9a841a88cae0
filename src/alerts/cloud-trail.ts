// CloudTrail's record of an API call, as EventBridge carries it. Our own UpdateCertificate calls come
// back this way where a rule is drawn too wide: they must never become work again.

import type { Wrapped } from '../envelope.ts';
import type { Reading } from '../intent.ts';
import { quote } from '../quote.ts';
import { isObject } from '../shape.ts';

export function readCloudTrail({ event, value }: Wrapped): Reading | undefined {
  if (event?.detailType !== 'AWS API Call via CloudTrail') return undefined;
  if (!event.source.startsWith('aws.')) return undefined;
  const name = isObject(value) ? value['eventName'] : undefined;
  const call = typeof name === 'string' ? `the call ${quote(name)}` : 'a call';
  return {
    kind: 'ignored',
    cause:
      name === 'UpdateCertificate'
        ? 'CloudTrail tells that a certificate’s status was changed, as this worker itself does, and asks for no change'
        : `CloudTrail tells of ${call} to ${quote(event.source)}, and asks for none`,
  };
}
