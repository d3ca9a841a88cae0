// How a thing is named.

import * as z from 'zod';

/**
 * AWS service model, ThingName. Device Defender may also name an unregistered client id, in any
 * characters: that one is no thing, and no certificate can be looked up by it.
 */
const thingNamePattern = /^[a-zA-Z0-9:_-]{1,128}$/;

const thingNameForm =
  '1 to 128 of the characters a-z, A-Z, 0-9, ":", "_" and "-" of a thing’s name';

/** The zod shape of a thing's name. */
export const thingName: z.ZodString = z
  .string({ error: `${thingNameForm} are expected` })
  .regex(thingNamePattern, { error: `${thingNameForm} are expected` });
