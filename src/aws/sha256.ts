// SHA-256 as the SDK's signer wants it. The SDK's own class hands HMAC keys to Node as bytes, and Node 24
// finds out whether bytes are a KeyObject by two exceptions that it catches, stacks and all: 10 to 20 µs
// a request. A KeyObject passes at once. The hashing itself is Node's, here as there.

import { createHash, createHmac, createSecretKey, type Hash, type Hmac } from 'node:crypto';

type Data = string | ArrayBuffer | ArrayBufferView;

/** The SDK's interface of a hash (`sha256` in a client's configuration); with a secret, an HMAC. */
export class Sha256 {
  readonly #secret: Data | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: Data) {
    this.#secret = secret;
    this.#hash = begin(secret);
  }

  update(data: Data): void {
    this.#hash.update(typeof data === 'string' ? data : bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = begin(this.#secret);
  }
}

function begin(secret: Data | undefined): Hash | Hmac {
  if (secret === undefined) return createHash('sha256');
  return createHmac(
    'sha256',
    typeof secret === 'string' ? secret : createSecretKey(bytesOf(secret)),
  );
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
