// `npm run sandbox`: SQS, SNS, AWS IoT and DynamoDB on loopback until Ctrl-C.

import { runSession } from '../sandbox/session.ts';

const stopping = new AbortController();
// Every time: npm passes the terminal's Ctrl-C on, so that we get it twice.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => stopping.abort());
}

process.exitCode = await runSession({
  environment: process.env,
  signal: stopping.signal,
  print: (text) => process.stdout.write(text),
  complain: (line) => process.stderr.write(`${line}\n`),
});
