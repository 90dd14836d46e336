// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP/1.1 answer (RFC 9112 sections 4, 5 and 6.3), read strictly: what another
// reader on the way could understand in another way is refused, not guessed.

/** Bytes of a status line and its fields; Node's own limit is the same. */
export const HEAD_BYTES_MAX = 16_384;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n\0]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/;
const DECIMAL = /^\d{1,15}$/;

export interface AnswerHead {
  readonly status: number;
  /** Bytes of the body, or what ends it instead. */
  readonly length: number | 'close' | 'chunks';
  /** Whether another request may follow on the connection. */
  readonly keepsAlive: boolean;
}

/**
 * @param text a head without the empty line that ends it, a character a byte
 * @returns undefined where it cannot be read, or in more than one way
 */
export function parseAnswerHead(text: string): AnswerHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, code] = STATUS_LINE.exec(first) ?? [];
  if (code === undefined) return undefined;
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? [];
    if (name === undefined) return undefined;
    const key = name.toLowerCase();
    const before = fields.get(key);
    if (before !== undefined && key === 'content-length') return undefined;
    fields.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  const status = Number(code);
  const length = lengthOf(status, fields);
  if (length === undefined) return undefined;
  const options = (fields.get('connection') ?? '').toLowerCase().split(/[ \t]*,[ \t]*/);
  const counted = typeof length === 'number';
  return { status, length, keepsAlive: minor === '1' && counted && !options.includes('close') };
}

function lengthOf(
  status: number,
  fields: ReadonlyMap<string, string>,
): AnswerHead['length'] | undefined {
  const said = fields.get('content-length');
  const inChunks = fields.has('transfer-encoding');
  // Both at once is how answers are smuggled past a reader on the way.
  if (said !== undefined && (inChunks || !DECIMAL.test(said))) return undefined;
  if (status < 200 || status === 204 || status === 304) return 0;
  if (inChunks) return 'chunks';
  return said === undefined ? 'close' : Number(said);
}
