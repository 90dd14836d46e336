// SPDX-License-Identifier: Apache-2.0
// The cache makes a fact once, keeps no failure, and stays within both of its bounds.
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { EvidenceCache, factKey } from './cache.ts';

describe('EvidenceCache', () => {
  it('makes a fact once, and again after a failure', async () => {
    const cache = new EvidenceCache();
    let made = 0;
    const make = () => ++made;
    expect(await cache.remember('a', make)).toBe(1);
    expect(await cache.remember('a', make)).toBe(1);
    const fail = () => Promise.reject(new Error('no'));
    await expect(cache.remember('b', fail)).rejects.toThrow('no');
    expect(await cache.remember('b', make)).toBe(2);
  });

  it('remembers a fact that is undefined or false', async () => {
    const cache = new EvidenceCache();
    let made = 0;
    for (let i = 0; i < 2; i++) {
      await cache.remember('a', () => {
        made++;
        return undefined;
      });
    }
    expect(made).toBe(1);
  });

  it('forgets what was used least recently, by count and by bytes', async () => {
    const cache = new EvidenceCache({ entries: 3, bytes: 100 });
    for (const key of ['a', 'b', 'c']) await cache.remember(key, () => key, 10);
    await cache.remember('a', () => 'again', 10);
    await cache.remember('d', () => 'd', 10);
    expect(await cache.remember('a', () => 'lost', 10)).toBe('a');
    expect(await cache.remember('b', () => 'lost', 10)).toBe('lost');
    expect(cache.size).toBe(3);
    await cache.remember('big', () => 'big', 95);
    expect(cache.size).toBe(1);
    await cache.remember('too big', () => 'too big', 101);
    expect(cache.size).toBe(0);
  });

  it('counts a fact once that two callers make at a time', async () => {
    const cache = new EvidenceCache({ bytes: 100 });
    const slow = () => new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([cache.remember('a', slow, 60), cache.remember('a', slow, 60)]);
    await cache.remember('b', () => 1, 40);
    expect(cache.size).toBe(2);
  });

  it('has keys that keep parts apart', () => {
    const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
    const joined = [Uint8Array.of(1), Uint8Array.of(2, 3)] as const;
    expect(factKey(nodeCrypto, 'x', a, b)).not.toBe(factKey(nodeCrypto, 'x', ...joined));
    expect(factKey(nodeCrypto, 'x', a)).not.toBe(factKey(nodeCrypto, 'y', a));
  });
});
