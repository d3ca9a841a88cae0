// A plain receive loop with the SDK's adaptive retries: a rate limiter inside the client, which the
// guide calls experimental, for one kind of call on one client, as here
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

import { runLoop } from './loop.ts';
import { createRevoke } from './revoke.ts';

await runLoop(createRevoke('adaptive'));
