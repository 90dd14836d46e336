// SPDX-License-Identifier: Apache-2.0
// Ranges of encrypted files over gateways that are cut off, silent or lying: what comes out is what
// the digest tree says, or a code; chunks that held are not fetched again.
import {
  CHUNK_BYTES,
  type DatasetFile,
  digestTree,
  encodeFileManifest,
  filesSaid,
  type RightInput,
} from '@cloister/contract';
import { type BlobStore, CodedError, systemTimers as timers } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { filesOf, steadyRanges } from './inputs.ts';

const MIB = 1_048_576;
const file = new Uint8Array(9 * MIB + 100).map((_, i) => (i >> 12) & 0xff);
const tree = await digestTree(
  (async function* () {
    for (let at = 0; at < file.length; at += CHUNK_BYTES) yield file.subarray(at, at + CHUNK_BYTES);
  })(),
  nodeCrypto,
);
const blob = nodeCrypto.digest('sha256', file);

type Range = (start: number, end: number) => Promise<Uint8Array>;
const honest: Range = async (start, end) => file.slice(start, end);

function store(range: Range): BlobStore & { calls: number } {
  const unused = async (): Promise<never> => {
    throw new Error('unused');
  };
  const made = {
    calls: 0,
    put: unused,
    get: unused,
    head: unused,
    range: async (_: Uint8Array, start: number, end: number) => {
      made.calls += 1;
      return Uint8Array.from(await range(start, end));
    },
  };
  return made;
}

function open(...ways: Range[]) {
  const blobsOf = ways.map(store);
  const made = steadyRanges(tree, blob, { blobsOf, crypto: nodeCrypto, timers, chunkMs: 50 });
  return { ...made, blobsOf };
}

const WAYS: Record<string, [string, Range]> = {
  lying: ['chunk-mismatch', async (start, end) => file.slice(start, end).fill(9)],
  'one that answers another range': ['chunk-mismatch', async (s, e) => file.slice(s + 1, e + 1)],
  'one that answers too little': ['chunk-short', async (s, e) => file.slice(s, e - 1)],
  silent: ['timed-out', () => new Promise(() => undefined)],
  gone: [
    'peer-unreachable',
    async () => {
      throw new CodedError('peer-unreachable', 'unavailable', 'gone');
    },
  ],
};

describe('ranges over gateways', () => {
  for (const [what, [code, way]] of Object.entries(WAYS)) {
    it(`of which the first is ${what} are read from the second`, async () => {
      const { source, blobsOf, ranges } = open(way, honest);
      const whole = await source.read(0, file.length);
      expect(Buffer.compare(whole, file)).toBe(0);
      // Two runs of chunks are asked for at once.
      expect(blobsOf[0]?.calls).toBe(2);
      expect(ranges.fetched).toBe(file.length);
    });

    it(`that are all ${what} end with the code`, async () => {
      const { source, blobsOf } = open(way, way);
      await expect(source.read(5, 5)).rejects.toMatchObject({ code });
      expect(blobsOf.map(({ calls }) => calls)).toEqual([1, 1]);
    });
  }

  it('that are cut off half way go on at the next, without fetching again', async () => {
    let left = 1;
    const cut: Range = async (start, end) => {
      if (left-- <= 0) throw new CodedError('peer-unreachable', 'unavailable', 'cut');
      return file.slice(start, end);
    };
    const { source, blobsOf, ranges } = open(cut, honest);
    expect(Buffer.compare(await source.read(0, file.length), file)).toBe(0);
    // Of three runs the first came; the second, which was asked for ahead, is tried once more.
    expect(blobsOf.map(({ calls }) => calls)).toEqual([4, 2]);
    expect(ranges.fetched).toBe(file.length);
  });

  it('fetch only the chunks that are touched', async () => {
    const { source, blobsOf, ranges } = open(honest);
    await source.read(9 * MIB + 5, 10);
    expect(blobsOf[0]?.calls).toBe(1);
    expect(ranges.fetched).toBe(100);
  });

  it('are not begun under leaves that do not give the root', () => {
    const leaves = tree.leaves.slice().fill(0, 0, 1);
    const build = () =>
      steadyRanges({ ...tree, leaves }, blob, { blobsOf: [], crypto: nodeCrypto, timers });
    expect(build).toThrow(expect.objectContaining({ code: 'digest-tree-mismatch' }));
  });
});

describe('the files of an input', () => {
  const listed = [1, 2].map((n): DatasetFile => {
    const digest = new Uint8Array(32).fill(n);
    return { blob: digest, length: n, root: digest, leaves: digest };
  });
  const manifest = encodeFileManifest(listed);
  const blobs = { get: async () => manifest };
  const said = filesSaid(listed, nodeCrypto.digest('sha256', manifest));
  const asked = (files: typeof said) => filesOf([{ body: { files } } as RightInput], blobs);

  it('are those of the list that its event names', async () => {
    expect(await asked(said)).toEqual([listed]);
  });

  it.each([{ count: 3 }, { count: 1 }, { length: 4 }])('are none where it says %j', async (not) => {
    await expect(asked({ ...said, ...not })).rejects.toMatchObject({
      code: 'file-manifest-differs',
    });
  });
});
