// `npm run schema`: publishes the request's JSON Schema from the definition that validates.

import { writeFile } from 'node:fs/promises';
import { requestJsonSchema } from '../request.ts';

const file = new URL('../request.schema.json', import.meta.url);
await writeFile(file, `${JSON.stringify(requestJsonSchema(), undefined, 2)}\n`);
