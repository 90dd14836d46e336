// SPDX-License-Identifier: Apache-2.0
// The longest blob of each kind that this version writes fits its bound.
import { encodeSealedKey } from '@cloister/threshold';
import { expect, it } from 'vitest';
import { BLOB_MOST, leavesMost } from './blob-bounds.ts';
import { encodeFileManifest, FILES_MAX } from './dataset-files/file-manifest.ts';
import { encodeResultParts, PARTS_MAX } from './openings/result-parts.ts';

const digest = new Uint8Array(32);

it('has room for a sealed key, the longest list of files and of parts', () => {
  const sealed = encodeSealedKey({
    enc: new Uint8Array(65),
    ct: new Uint8Array(48),
    pi: new Uint8Array(64),
  });
  expect(sealed.length).toBeLessThanOrEqual(BLOB_MOST.sealedKey);
  const file = { blob: digest, length: Number.MAX_SAFE_INTEGER, root: digest, leaves: digest };
  const files = encodeFileManifest(Array.from({ length: FILES_MAX }, () => file));
  expect(files.length).toBeLessThanOrEqual(BLOB_MOST.manifest);
  const parts = Array.from({ length: PARTS_MAX }, () => digest);
  const list = encodeResultParts({ statements: [parts], bundle: digest });
  expect(list.length).toBeLessThanOrEqual(BLOB_MOST.resultParts);
});

it('counts a leaf for a chunk that has begun', () => {
  expect([1, 262_144, 262_145].map(leavesMost)).toEqual([32, 32, 64]);
});
