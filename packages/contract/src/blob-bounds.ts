// SPDX-License-Identifier: Apache-2.0
// How long a blob may be, by what it is. A digest does not say how much it names, and a blob is
// fetched before anything of it can be checked: so whoever reads one says the most that it takes,
// and the store ends there. spec/gateway-api.md, "Blobs".
import type { CharterBody } from './charter/body.ts';
import { CHUNK_BYTES } from './dataset-files/digest-tree.ts';
import { MAX_MANIFEST_BYTES } from './dataset-files/file-manifest.ts';
import type { AnyEvent } from './events/event.ts';
import { MAX_PARTS_BYTES } from './openings/result-parts.ts';

const KIB = 1_024;
const MIB = 1_048_576;

/** The most bytes of a blob of each kind that has one bound. */
export const BLOB_MOST = {
  /** spec/dataset.md, "Sealed keys": 185 bytes in this version. */
  sealedKey: 255,
  /** A join's, of any make; the quotes that fields wait for are below 64 KiB. */
  evidence: 128 * KIB,
  /** The root document of an environment. */
  root: 64 * KIB,
  /** Of a dataset or a task, sealed to every member. */
  openings: 16 * MIB,
  /** The list of a dataset's files. */
  manifest: MAX_MANIFEST_BYTES,
  /** The list of a result's parts. */
  resultParts: MAX_PARTS_BYTES,
  /** The keys of a result, sealed to each recipient. */
  keyBundle: 16 * MIB,
  /** A part of a result, padded; and any blob that travels whole. */
  whole: 1_024 * MIB,
} as const;

/** The most bytes of the leaf hashes of a file of `length` bytes. */
export function leavesMost(length: number): number {
  return Math.ceil(length / CHUNK_BYTES) * 32;
}

/** The blobs that an event names, with the most bytes that each may have. */
export function blobsNamed(event: AnyEvent): [digest: Uint8Array, most: number][] {
  switch (event.kind) {
    case 'charter':
      return roots(event.body);
    case 'amend':
      return roots(event.body.charter);
    case 'join':
      return [[event.body.evidence, BLOB_MOST.evidence]];
    case 'dataset': {
      const { files, openings, columns } = event.body;
      return [
        [files.manifest, BLOB_MOST.manifest],
        [openings, BLOB_MOST.openings],
        ...columns.map(({ sealed }): [Uint8Array, number] => [sealed, BLOB_MOST.sealedKey]),
      ];
    }
    case 'task':
      return [[event.body.openings, BLOB_MOST.openings]];
    case 'usage':
      return [[event.body.result, BLOB_MOST.resultParts]];
    default:
      return [];
  }
}

function roots({ environments }: CharterBody): [Uint8Array, number][] {
  return environments.map(({ root }) => [root, BLOB_MOST.root]);
}
