// pino, written synchronously: a line that tells what was revoked must not die in a buffer.

import { destination, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../config.ts';
import type { Log } from '../event.ts';

/** JSON lines on standard output, with the level by name and the time in ISO 8601. */
export function createLog(level: LogLevel): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: 1, sync: true }),
  );
  return { write: (at, fields, text) => logger[at](fields, text) };
}
