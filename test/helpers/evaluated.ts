// Loads ENTRY, a program or its wire, and tells which modules that has evaluated.

import { Session } from 'node:inspector/promises';

const entry = process.env['ENTRY'] ?? '';

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true });

interface Entry {
  /** A program wires itself. */
  readonly wire?: (onLogLoss: () => void) => Promise<unknown>;
}
const { wire } = (await import(entry)) as Entry;
await wire?.(() => undefined);

// A module is a script, or one of a bundle's functions, which esbuild names by the module's path.
const { result } = await session.post('Profiler.takePreciseCoverage');
const called = result
  .flatMap(({ functions }) => functions)
  .filter(({ functionName, ranges: [all] }) => functionName.includes('/') && all?.count !== 0)
  .map(({ functionName }) => functionName);
const modules = [...result.map(({ url }) => url), ...called];
console.log(JSON.stringify({ event: 'evaluated', modules }));
process.exit();
