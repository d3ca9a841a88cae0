// The published JSON Schema is the definition that validates, and not an older one.

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { requestJsonSchema } from '../src/request.ts';

test('request.schema.json is what the definition gives; `npm run schema` writes it', async () => {
  const file = new URL('../src/request.schema.json', import.meta.url);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(requestJsonSchema());
});
