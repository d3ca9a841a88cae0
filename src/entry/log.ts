// pino, written synchronously: a line that tells what was revoked must not die in a buffer.

import { destination, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../config.ts';
import type { Log } from '../event.ts';

/**
 * JSON lines on standard output, with the level by name and the time in ISO 8601.
 *
 * @param onLoss called when a line could not be written: nobody reads any more, the disk is full
 */
export function createLog(level: LogLevel, onLoss: (error: Error) => void): Log {
  const stdout = destination({ dest: 1, sync: true });
  // Without this, pino drops all that follows a broken pipe, and says nothing.
  stdout.on('error', onLoss);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stdout,
  );
  return { write: (at, fields, text) => logger[at](fields, text) };
}
