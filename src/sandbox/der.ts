// DER, as much of it as an X.509 certificate needs (ITU-T X.690). By hand, because Node parses
// certificates but cannot make one, and these few functions are less to trust than a PKI library.

/** One DER element: tag, length, and the contents put end to end. */
function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthOctets(content.length)]), content]);
}

/** SEQUENCE of already encoded elements. */
export function sequence(...elements: readonly Uint8Array[]): Buffer {
  return element(0x30, ...elements);
}

/** SET of already encoded elements. */
export function set(...elements: readonly Uint8Array[]): Buffer {
  return element(0x31, ...elements);
}

/** A non-negative INTEGER from its big-endian bytes. */
export function unsignedInteger(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const magnitude = first === -1 ? Uint8Array.of(0) : bytes.subarray(first);
  // A leading 1 bit would read as a minus sign.
  const sign = ((magnitude[0] ?? 0) & 0x80) === 0 ? [] : [0];
  return element(0x02, Uint8Array.from(sign), magnitude);
}

/** OBJECT IDENTIFIER from its dotted form, e.g. `2.5.29.19`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** UTF8String. */
export function utf8String(text: string): Buffer {
  return element(0x0c, Buffer.from(text, 'utf8'));
}

/** BOOLEAN TRUE, which X.509 writes only where it differs from the default. */
export function booleanTrue(): Buffer {
  return element(0x01, Uint8Array.of(0xff));
}

/** OCTET STRING. */
export function octetString(content: Uint8Array): Buffer {
  return element(0x04, content);
}

/** BIT STRING; `unusedBits` counts the padding in the last byte. */
export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return element(0x03, Uint8Array.of(unusedBits), content);
}

/** A context tag: `constructed` wraps elements, otherwise it replaces a primitive's own tag. */
export function contextTag(
  number: number,
  content: Uint8Array,
  form: 'constructed' | 'primitive',
): Buffer {
  return element((form === 'constructed' ? 0xa0 : 0x80) | number, content);
}

/** Time to the second: UTCTime through 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  const isGeneralized = digits >= '2050';
  return isGeneralized
    ? element(0x18, Buffer.from(digits, 'ascii'))
    : element(0x17, Buffer.from(digits.slice(2), 'ascii'));
}

function lengthOctets(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): readonly number[] {
  const groups = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    groups.unshift(0x80 | (rest % 128));
  }
  return groups;
}
