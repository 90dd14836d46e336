// SPDX-License-Identifier: Apache-2.0
// Results come from a child that may say anything: exactly what was said and allowed is written.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { ResultReader } from './child-results.ts';

const home = mkdtempSync(join(tmpdir(), 'cloister-results-'));
afterAll(() => rmSync(home, { recursive: true }));
let made = 0;

function paths(count: number): string[] {
  made += 1;
  return Array.from({ length: count }, (_, at) => join(home, `${made}-${at}`));
}

function said(length: bigint, text = ''): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return Buffer.concat([bytes, Buffer.from(text)]);
}

/** A child that writes this in pieces of so many bytes, and ends. */
function child(bytes: Buffer, piece: number): PassThrough {
  const from = new PassThrough();
  for (let at = 0; at < bytes.length; at += piece) from.write(bytes.subarray(at, at + piece));
  from.end();
  return from;
}

/** Each into a file of its own, all together of at most so many bytes. */
async function receiveAll(from: PassThrough, files: readonly string[], most: number) {
  const reader = new ResultReader(from);
  const lengths: number[] = [];
  for (const file of files) {
    const sum = lengths.reduce((a, b) => a + b, 0);
    lengths.push(await reader.receive(file, most - sum));
  }
  return lengths;
}

describe('results of a child', () => {
  it.each([1, 3, 8, 9, 1000])('are written as they come, in pieces of %i bytes', async (piece) => {
    const bytes = Buffer.concat([said(5n, 'first'), said(0n), said(3n, 'abc'), said(9n, 'more')]);
    const files = paths(3);
    expect(await receiveAll(child(bytes, piece), files, 8)).toEqual([5, 0, 3]);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['first', '', 'abc']);
  });

  it.each([
    ['end before a length', Buffer.alloc(7)],
    ['end before what was said', said(6n, 'first')],
    ['say nothing', Buffer.alloc(0)],
    ['say more than is allowed', said(9n, 'ninebytes')],
    ['say more than a file can have', said(2n ** 64n - 1n, 'x')],
    ['say more in sum than is allowed', Buffer.concat([said(8n, 'eightbyt'), said(1n, 'x')])],
  ])('that %s are none', async (_what, bytes) => {
    const receiving = receiveAll(child(bytes, 4), paths(2), 8);
    await expect(receiving).rejects.toMatchObject({ code: 'engine-run-failed' });
  });

  it('replace no file that is there', async () => {
    const files = paths(1);
    writeFileSync(files[0] as string, 'there');
    const receiving = receiveAll(child(said(1n, 'x'), 9), files, 8);
    await expect(receiving).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(files[0] as string, 'utf8')).toBe('there');
    expect(readdirSync(home).length).toBeGreaterThan(0);
  });
});
