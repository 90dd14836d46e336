// SPDX-License-Identifier: Apache-2.0
// What the cache keeps, what it forgets, and that nobody can change what it keeps.
import { isCoded, utf8 } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../testing/ledger.ts';
import { BlobCache } from './blob-cache.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

/** A store that counts what is asked of it. */
function counted() {
  const blobs = new MemoryBlobs();
  const get = blobs.get.bind(blobs);
  const counts = { gets: 0 };
  blobs.get = (digest, most) => {
    counts.gets += 1;
    return get(digest, most);
  };
  return { blobs, counts };
}

describe('the blob cache', () => {
  it('fetches a blob once, however many ask at once, and hands out copies', async () => {
    const { blobs, counts } = counted();
    const cache = new BlobCache(blobs);
    const digest = await cache.put(utf8('evidence'));
    const [one, two] = await Promise.all([cache.get(digest, MOST), cache.get(digest, MOST)]);
    one.fill(0);
    expect(two).toEqual(utf8('evidence'));
    expect(await cache.get(digest, MOST)).toEqual(utf8('evidence'));
    expect(counts.gets).toBe(1);
  });

  it('keeps no failure', async () => {
    const { blobs } = counted();
    const cache = new BlobCache(blobs);
    const late = utf8('late');
    const digest = await new MemoryBlobs().put(late);
    const error = await cache.get(digest, MOST).catch((e: unknown) => e);
    expect(isCoded(error, 'blob-not-found')).toBe(true);
    await blobs.put(late);
    expect(await cache.get(digest, MOST)).toEqual(late);
  });

  it('hands out nothing that is longer than the reader takes', async () => {
    const { blobs } = counted();
    const cache = new BlobCache(blobs);
    const digest = await blobs.put(utf8('long'));
    for (const most of [3, 4, 3]) {
      const got = await cache.get(digest, most).catch((error: unknown) => error);
      expect(isCoded(got, 'blob-too-large')).toBe(most === 3);
    }
  });

  it('forgets what was used longest ago, and keeps nothing too large', async () => {
    const { blobs, counts } = counted();
    const cache = new BlobCache(blobs, { bytes: 10 });
    const put = (fill: number, length: number) => blobs.put(new Uint8Array(length).fill(fill));
    const [a, b, c, large] = [await put(1, 4), await put(2, 4), await put(3, 4), await put(4, 11)];
    for (const digest of [a, b, a, c]) await cache.get(digest, MOST);
    expect(counts.gets).toBe(3);
    await cache.get(a, MOST);
    expect(counts.gets).toBe(3);
    await cache.get(b, MOST);
    expect(counts.gets).toBe(4);
    await cache.get(large, MOST);
    await cache.get(large, MOST);
    expect(counts.gets).toBe(6);
  });
});
