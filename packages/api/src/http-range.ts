// SPDX-License-Identifier: Apache-2.0
// A range of bytes by HTTP, into one buffer of the length that was asked for: what fetch would
// answer in pieces of 64 KiB, each with a stream around it, and at twice the processor's cost. An
// answer that is longer is cut off; of one that is an error a little is kept, for its code.
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';

const ERROR_BYTES = 65_536;
const AGENTS = {
  'http:': new HttpAgent({ keepAlive: true }),
  'https:': new HttpsAgent({ keepAlive: true }),
};

export interface RangeAnswer {
  readonly status: number;
  /** What came, at most as long as was asked for; of an answer other than 2xx, its beginning. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** More came than was asked for. */
  readonly tooLong: boolean;
}

/** Asks for bytes [start, end). Rejects with what the connection rejects with. */
export function requestRange(
  url: string,
  about: {
    readonly start: number;
    readonly end: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<RangeAnswer> {
  const { start, end, signal } = about;
  const headers = { ...about.headers, range: `bytes=${start}-${end - 1}` };
  const secure = new URL(url).protocol === 'https:';
  const agent = AGENTS[secure ? 'https:' : 'http:'];
  return new Promise((resolve, reject) => {
    const asked = (secure ? requestHttps : requestHttp)(url, { headers, agent, signal });
    asked.once('error', reject);
    asked.once('response', (response) => {
      const ok = response.statusCode === 206 || response.statusCode === 200;
      read(response, ok ? end - start : ERROR_BYTES).then(resolve, reject);
    });
    asked.end();
  });
}

function read(response: IncomingMessage, length: number): Promise<RangeAnswer> {
  const out = new Uint8Array(length);
  let at = 0;
  return new Promise((resolve, reject) => {
    const done = (tooLong: boolean) =>
      resolve({ status: response.statusCode ?? 0, bytes: out.subarray(0, at), tooLong });
    response.on('data', (part: Buffer) => {
      if (at + part.length > length) {
        done(true);
        response.destroy();
        return;
      }
      out.set(part, at);
      at += part.length;
    });
    response.once('end', () => done(false));
    response.once('error', reject);
    response.once('aborted', () => reject(new Error('the answer was cut off')));
  });
}
