// What we use of dynalite 4, which brings no types (its readme.md has all of it).

declare module 'dynalite' {
  import type { Server } from 'node:http';

  interface Options {
    /** How long a new table stays in CREATING, ms. */
    readonly createTableMs?: number;
  }

  /** DynamoDB in memory, behind a server that does not listen yet. */
  function dynalite(options?: Options): Server;
  export = dynalite;
}
