// A plain receive loop with the SDK's standard retries, its default mode.

import { runLoop } from './loop.ts';
import { createRevoke } from './revoke.ts';

await runLoop(createRevoke('standard'));
