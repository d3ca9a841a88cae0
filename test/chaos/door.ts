// A door in front of a server: it notes who asks what and hears what, and can be shut, fail, hang, or
// lose the answers. What has been let through is carried out, whoever hangs up meanwhile.

import {
  Agent,
  createServer,
  request as requestOf,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Random } from '../../src/clock.ts';
import { openPort } from '../helpers/port.ts';

/** What requests meet from now on. */
export type Weather =
  | 'fair'
  /** Nobody listens; connections are reset, also those that wait for an answer. */
  | 'gone'
  /** No answer until the weather changes; then the connection breaks. Nothing is carried out. */
  | 'hanging'
  /** 503 with a page of HTML, now and then; nothing is carried out. */
  | 'failing'
  /** It is carried out, and then the connection is reset, now and then. */
  | 'lossy';

export interface Asked {
  /** Who asks, as the SDK's app id tells. */
  readonly process: string;
  readonly operation: string;
  readonly body: Json;
}

export type Json = Readonly<Record<string, unknown>>;

/** Sees an answer before it goes out, may change it, and learns whether anybody hears it. */
export type Hear = (answer: Json, heard: boolean) => Json | undefined;

export interface Door extends AsyncDisposable {
  readonly endpoint: string;
  readonly turn: (weather: Weather) => Promise<void>;
}

/** How often `failing` and `lossy` strike. */
const strikes = 0.5;

export interface Doorkeeper {
  /** Sees a request before it is let through. */
  readonly ask: (asked: Asked) => Hear;
  /** A request of this process hangs, fails, or loses its answer. */
  readonly strike: (process: string, weather: Weather) => void;
}

/** A door to the server at this endpoint. */
export async function openDoor(
  upstream: string,
  chance: Random,
  { ask, strike }: Doorkeeper,
): Promise<Door> {
  const target = new URL(upstream);
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const sockets = new Set<Socket>();
  const hanging = new Set<Socket>();
  let weather: Weather = 'fair';

  const server = createServer((incoming, response) => {
    incoming.on('error', () => undefined);
    response.on('error', () => undefined);
    void serve(incoming, response);
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await textOf(incoming).catch(() => undefined);
    if (text === undefined) return; // whoever asked has gone before the end of the question
    const process = / app\/([\w-]+)/.exec(incoming.headers['user-agent'] ?? '')?.[1] ?? '';
    if (weather === 'hanging') {
      hanging.add(incoming.socket);
      strike(process, weather);
      return;
    }
    const struck = weather !== 'fair' && chance() < strikes ? weather : undefined;
    if (struck !== undefined) strike(process, struck);
    if (struck === 'failing') {
      response.writeHead(503, { 'content-type': 'text/html' }).end('<html>unavailable</html>');
      return;
    }
    const hear = ask({
      process,
      operation: String(incoming.headers['x-amz-target']).split('.').at(-1) ?? '',
      body: jsonOf(text),
    });
    const answer = await pass(incoming, text).catch(() => undefined);
    const isGone = answer === undefined || response.destroyed || incoming.socket.destroyed;
    const heard = !isGone && struck !== 'lossy';
    const changed = answer?.status === 200 ? hear(jsonOf(answer.text), heard) : undefined;
    if (!heard) {
      incoming.socket.resetAndDestroy();
      return;
    }
    response.writeHead(answer.status, answer.headers);
    response.end(changed === undefined ? answer.text : JSON.stringify(changed));
  }

  function pass(incoming: IncomingMessage, text: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = requestOf(
        {
          host: target.hostname,
          port: target.port,
          path: incoming.url,
          method: incoming.method,
          agent,
          headers: { ...incoming.headers, host: target.host, connection: 'keep-alive' },
        },
        (answer) => {
          const { statusCode: status = 0 } = answer;
          const read = textOf(answer).then((body) => ({ status, headers: headersOf(answer), text: body })); // prettier-ignore
          resolve(read);
        },
      );
      outgoing.on('error', reject).end(text);
    });
  }

  const { endpoint, shut, open } = await openPort(server, sockets);
  return {
    endpoint,
    turn: async (next) => {
      weather = next;
      for (const socket of hanging) socket.resetAndDestroy();
      hanging.clear();
      if (next === 'gone') await shut();
      else await open();
    },
    [Symbol.asyncDispose]: async () => {
      await shut();
      agent.destroy();
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly text: string;
}

/** What describes the answer, not the connection or the bytes that it came in. */
function headersOf({ headers }: IncomingMessage): Answer['headers'] {
  const all = Object.entries(headers).filter(([name]) => /^(content-type|x-amzn-.*)$/.test(name));
  return Object.fromEntries(all.map(([name, value = '']) => [name, value]));
}

function jsonOf(text: string): Json {
  return text === '' ? {} : (JSON.parse(text) as Json);
}

async function textOf(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
