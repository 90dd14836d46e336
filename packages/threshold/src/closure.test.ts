// SPDX-License-Identifier: Apache-2.0
// The public side runs in a browser: nothing that it imports, however far, is Node's or holds
// secrets. And secrets do not leave by printing.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { toHex } from '@cloister/core';
import { expect, test } from 'vitest';
import { committee, seeded } from '../testing/committee.ts';
import { generateHpkeKeyPair } from './node/hpke.ts';
import { type KeyShare, secretOf } from './node/share.ts';

const INDEX = fileURLToPath(new URL('./index.ts', import.meta.url));
const OUTSIDE = ['@cloister/core', '@noble/curves', '@noble/hashes'];

function closure(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, target] of readFileSync(file, 'utf8').matchAll(/\bfrom\s+'([^']+)'/g)) {
    if (target?.startsWith('.')) closure(join(dirname(file), target), seen);
    else seen.add(target as string);
  }
  return seen;
}

test('the public side imports nothing of Node and nothing secret', () => {
  const all = [...closure(INDEX)];
  expect(all.length).toBeGreaterThan(12);
  for (const one of all) {
    if (one.startsWith('/')) expect(one).not.toContain('/node/');
    else
      expect(OUTSIDE.some((o) => one === o || one.startsWith(`${o}/`)) && !/node$/.test(one)).toBe(
        true,
      );
  }
});

test('printing a share or a key pair shows no secret', () => {
  const share = committee({ n: 2, t: 2 }).shares[0] as KeyShare;
  const pair = generateHpkeKeyPair(seeded('print'));
  for (const [secret, text] of [
    [secretOf(share).secret, inspect(share, { depth: 9, showHidden: true })],
    [pair.privateKey, inspect(pair, { depth: 9, showHidden: true })],
  ] as const) {
    const bytes = [...secret.subarray(0, 4)].join(', ');
    expect(text).not.toContain(bytes);
    expect(text).not.toContain(toHex(secret.subarray(0, 4)));
  }
});
