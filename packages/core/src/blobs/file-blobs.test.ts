// SPDX-License-Identifier: Apache-2.0
// A blob store on disk: what put answered is there whole, whatever failed before; what a disk
// damaged is refused by get, replaced by put; names that are no digests reach no path.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultyFiles } from '@cloister/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodedError, isCoded, toHex, utf8 } from '../index.ts';
import { FileBlobs, makeFolderDurably, nodeCrypto } from '../node.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

let root = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-blobs-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const freshRoot = (): string => join(root, String(count++));
const absent = nodeCrypto.digest('sha256', utf8('never stored'));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

describe('FileBlobs', () => {
  it('gives back what was put, whole and in ranges', async () => {
    const blobs = new FileBlobs(freshRoot());
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 500 }),
      fc.nat(500),
      fc.nat(500),
      async (bytes, a, b) => {
        const digest = await blobs.put(bytes);
        expect(digest).toEqual(nodeCrypto.digest('sha256', bytes));
        expect(await blobs.get(digest, MOST)).toEqual(bytes);
        expect(await blobs.head(digest)).toBe(bytes.length);
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const read = blobs.range(digest, start, end);
        if (end <= bytes.length) expect(await read).toEqual(bytes.subarray(start, end));
        else expect(await codeOf(read)).toBe('blob-range-invalid');
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  it.each([
    [-1, 1],
    [1, 0],
    [0.5, 1],
    [0, 4],
    [Number.NaN, 1],
    [0, Number.NaN],
    [0, Number.POSITIVE_INFINITY],
    [0, 1.5],
  ])('refuses the range [%d, %d) of three bytes', async (start, end) => {
    const blobs = new FileBlobs(freshRoot());
    const digest = await blobs.put(utf8('abc'));
    expect(await codeOf(blobs.range(digest, start, end))).toBe('blob-range-invalid');
  });

  it('says what is not there', async () => {
    const blobs = new FileBlobs(freshRoot());
    expect(await blobs.head(absent)).toBeUndefined();
    expect(await codeOf(blobs.get(absent, MOST))).toBe('blob-not-found');
    expect(await codeOf(blobs.range(absent, 0, 0))).toBe('blob-not-found');
  });

  it('reads nothing that is longer than its reader takes', async () => {
    const blobs = new FileBlobs(freshRoot());
    const digest = await blobs.put(utf8('abc'));
    expect(await blobs.get(digest, 3)).toEqual(utf8('abc'));
    expect(await codeOf(blobs.get(digest, 2))).toBe('blob-too-large');
  });

  it.each([0, 1, 31, 33])('refuses a name of %d bytes', async (length) => {
    const blobs = new FileBlobs(freshRoot());
    const name = new Uint8Array(length);
    for (const ask of [blobs.get(name, MOST), blobs.head(name), blobs.range(name, 0, 1)]) {
      expect(await codeOf(ask)).toBe('blob-digest-malformed');
    }
  });

  it.each([
    ['cut', (bytes: Uint8Array) => bytes.subarray(1)],
    ['flipped', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 3 ? byte ^ 1 : byte))],
    ['emptied', () => new Uint8Array(0)],
    ['grown', (bytes: Uint8Array) => new Uint8Array([...bytes, 0])],
  ])('refuses a %s blob and lets a put restore it', async (_, damage) => {
    const blobs = new FileBlobs(freshRoot());
    const bytes = utf8('some content');
    const digest = await blobs.put(bytes);
    await writeFile(blobs.path(digest), damage(bytes));
    expect(await codeOf(blobs.get(digest, MOST))).toBe('blob-digest-mismatch');
    await blobs.put(bytes);
    expect(await blobs.get(digest, MOST)).toEqual(bytes);
  });

  it('loses nothing acknowledged whichever call fails, and a second try succeeds', async () => {
    const bytes = utf8('content');
    const digest = nodeCrypto.digest('sha256', bytes);
    const dry = faultyFiles();
    await new FileBlobs(freshRoot(), dry.fs).put(bytes);
    for (let at = 0; at < dry.calls.length; at++) {
      for (const when of ['before', 'after'] as const) {
        const where = freshRoot();
        const code = await codeOf(new FileBlobs(where, faultyFiles({ at, when }).fs).put(bytes));
        expect(['accepted', 'blob-io-failed']).toContain(code);
        const after = new FileBlobs(where);
        if (code === 'accepted') expect(await after.get(digest, MOST)).toEqual(bytes);
        // What is visible is whole, acknowledged or not.
        const visible = await after.get(digest, MOST).catch((error: unknown) => error);
        expect(visible instanceof Uint8Array || isCoded(visible, 'blob-not-found')).toBe(true);
        // A second put may not take the first one's word: it syncs the folder before it answers.
        const again = faultyFiles();
        await new FileBlobs(where, again.fs).put(bytes);
        expect(again.calls.at(-1)).toBe('sync');
        expect(await after.get(digest, MOST)).toEqual(bytes);
      }
    }
  });

  it('reports what it cannot read as unavailable, not as absent', async () => {
    const where = freshRoot();
    const digest = await new FileBlobs(where).put(utf8('x'));
    const failing = () => new FileBlobs(where, faultyFiles({ at: 0, when: 'before' }).fs);
    for (const ask of [
      failing().get(digest, MOST),
      failing().head(digest),
      failing().range(digest, 0, 1),
    ]) {
      const error = await ask.catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'blob-io-failed', kind: 'unavailable' });
    }
  });

  it('takes over a file', async () => {
    const where = freshRoot();
    const blobs = new FileBlobs(where);
    await blobs.put(utf8('first'));
    const path = join(where, 'incoming');
    const content = utf8('x'.repeat(200_000));
    await writeFile(path, content);
    const digest = await blobs.adopt(path);
    expect(toHex(digest)).toBe(toHex(nodeCrypto.digest('sha256', content)));
    expect(await blobs.get(digest, MOST)).toEqual(content);
    expect(await codeOf(readFile(path))).toMatch(/ENOENT/);
    expect(await codeOf(blobs.adopt(path))).toBe('blob-io-failed');
  });

  it('loses neither the file nor the blob whichever call of a take-over fails', async () => {
    const content = utf8('content');
    const digest = nodeCrypto.digest('sha256', content);
    const take = async (where: string, files = faultyFiles()): Promise<number> => {
      await makeFolderDurably(where);
      await writeFile(join(where, 'incoming'), content);
      const code = await codeOf(new FileBlobs(where, files.fs).adopt(join(where, 'incoming')));
      expect(['accepted', 'blob-io-failed']).toContain(code);
      const blob = await new FileBlobs(where).get(digest, MOST).catch(() => undefined);
      const file = await readFile(join(where, 'incoming')).catch(() => undefined);
      if (code === 'accepted') expect(blob).toEqual(content);
      expect(Buffer.from(blob ?? file ?? [])).toEqual(Buffer.from(content));
      return files.calls.length;
    };
    const calls = await take(freshRoot());
    expect(calls).toBeGreaterThan(4);
    for (let at = 0; at < calls; at++) {
      for (const when of ['before', 'after'] as const) {
        await take(freshRoot(), faultyFiles({ at, when }));
      }
    }
  });
});
