// Whoever publishes alerts: by SNS's query protocol, since there is no SNS client of JavaScript's here.

import type { Sandbox } from '../../src/sandbox/sandbox.ts';

/** Publishes to the topic, one after the other. */
export async function publish(
  { snsEndpoint, topicArn }: Pick<Sandbox, 'snsEndpoint' | 'topicArn'>,
  ...messages: readonly (string | object)[]
): Promise<void> {
  for (const message of messages) {
    const Message = typeof message === 'string' ? message : JSON.stringify(message);
    const parameters = { Action: 'Publish', Version: '2010-03-31', TopicArn: topicArn, Message };
    const { ok, status } = await fetch(snsEndpoint, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    if (!ok) throw new Error(`SNS answers ${status}`);
  }
}
