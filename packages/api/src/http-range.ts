// SPDX-License-Identifier: Apache-2.0
// Ranges of bytes by HTTP/1.1, over connections that are kept for the next: a byte goes from the
// network into the caller's memory once. An answer that is longer than what was asked for is cut
// off; of one that is an error a little is kept, for its code.
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { type RangeAnswer, RangeConnection } from './range-connection.ts';

/** Connections that are not in use, by origin; the last used first. */
const idle = new Map<string, RangeConnection[]>();

/**
 * Asks for bytes [start, end).
 * @param about into: memory for the answer, as long at least; its own where absent
 * @throws what the connection fails with, the signal's reason, and SyntaxError for no HTTP
 */
export async function requestRange(
  address: string,
  about: {
    readonly start: number;
    readonly end: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    readonly into?: Uint8Array<ArrayBuffer> | undefined;
  },
): Promise<RangeAnswer> {
  const { start, end, signal } = about;
  const url = new URL(address);
  const into = (about.into ?? new Uint8Array(end - start)).subarray(0, end - start);
  const request = requestOf(url, { ...about.headers, range: `bytes=${start}-${end - 1}` });
  const kept = takeIdle(url.origin);
  if (kept !== undefined) {
    try {
      return await askOver(kept, url.origin, request, into, signal);
    } catch (error) {
      // The other side may let go of a connection while a request is on its way to it.
      if (kept.answered || signal.aborted) throw error;
    }
  }
  return await askOver(new RangeConnection(url), url.origin, request, into, signal);
}

async function askOver(
  connection: RangeConnection,
  origin: string,
  request: string,
  into: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<RangeAnswer> {
  const answer = await connection.ask(request, into, signal);
  if (connection.idle) {
    const others = idle.get(origin) ?? [];
    idle.set(origin, [connection, ...others.filter((other) => other.idle)]);
  }
  return answer;
}

function takeIdle(origin: string): RangeConnection | undefined {
  const kept = (idle.get(origin) ?? []).filter((connection) => connection.idle);
  const first = kept.shift();
  if (kept.length === 0) idle.delete(origin);
  else idle.set(origin, kept);
  return first;
}

function requestOf(url: URL, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ host: url.host, ...headers }).map(([name, value]) => {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
