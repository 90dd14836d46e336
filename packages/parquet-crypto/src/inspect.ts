// SPDX-License-Identifier: Apache-2.0
// What a Parquet file is, without its values: schema, rows, which column is under which key, sizes,
// algorithm. Without keys this works where the footer is in clear; with some keys, the columns
// whose keys are missing are still listed. Everything answered is safe to print.
import { fromUtf8, isCoded, toHex } from '@cloister/core';
import { type ColumnProtection, chunksOf, DataKeys, openColumn, protectionOf } from './columns.ts';
import { type FileMode, type OpenFile, openParquet } from './footer.ts';
import { CODECS, COLUMN, ENCODINGS, FILE, type ParquetLimits } from './format.ts';
import { parseKeyMetadata } from './key-material.ts';
import type { KeyProvider } from './keys.ts';
import type { EncryptionAlgorithm } from './modules.ts';
import type { LeafColumn } from './schema.ts';
import type { RandomAccess } from './sources-and-sinks.ts';

/** More than there are. */
const ENCODINGS_MAX = 64;

/** Which key something is under. */
export type KeyNote =
  | { readonly kind: 'none' }
  | { readonly kind: 'footer-key' }
  /** PKMT1 key material. */
  | { readonly kind: 'master-key'; readonly masterKeyId: string; readonly doubleWrapping: boolean }
  /** PKMT1 key material kept outside the file. */
  | { readonly kind: 'external'; readonly reference: string }
  /** Key metadata of another make: as text where it is text, else in hexadecimal. */
  | { readonly kind: 'other'; readonly keyMetadata: string };

/** One leaf column, over all row groups. */
export interface InspectedColumn extends LeafColumn {
  readonly key: KeyNote;
  /** Absent where the column's metadata is encrypted and its key is not here. */
  readonly sizes?: {
    readonly compressedBytes: number;
    readonly uncompressedBytes: number;
    readonly values: number;
    readonly codecs: readonly string[];
    /** As the column's metadata names them. */
    readonly encodings: readonly string[];
    readonly bloomFilter: boolean;
  };
}

/** What `inspectParquet` answers. */
export interface Inspection {
  readonly mode: FileMode;
  /** False where no footer key was there to check it, or where its tag tells no place. */
  readonly authenticated: boolean;
  readonly algorithm?: EncryptionAlgorithm;
  readonly footerKey?: KeyNote;
  /** The AAD prefix in hexadecimal where the file stores one. */
  readonly aadPrefix?: string;
  /** True where a reader must supply the AAD prefix. */
  readonly aadPrefixNeeded?: boolean;
  readonly createdBy?: string;
  readonly rows: number;
  readonly rowGroups: number;
  readonly bytes: number;
  readonly columns: readonly InspectedColumn[];
}

export interface InspectOptions {
  readonly keys?: KeyProvider;
  readonly aadPrefix?: Uint8Array;
  /** As of `decryptProjection`. */
  readonly allowUnboundModules?: boolean;
  readonly limits?: Partial<ParquetLimits>;
}

/** @throws CodedError `key-missing` where the footer is encrypted and its key is not here */
export async function inspectParquet(
  source: RandomAccess,
  options: InspectOptions = {},
): Promise<Inspection> {
  const file = await openParquet({ source, ...options });
  const { crypto } = file;
  const createdBy = file.metadata.text(FILE.createdBy);
  return {
    mode: file.mode,
    authenticated: file.unlocked !== undefined && crypto?.aadFileUnique !== undefined,
    ...(crypto === undefined
      ? {}
      : {
          algorithm: crypto.algorithm,
          footerKey: noteOf(crypto.footerKeyMetadata),
          aadPrefixNeeded: crypto.aadPrefixNeeded,
          ...(crypto.aadPrefixStored === undefined
            ? {}
            : { aadPrefix: toHex(crypto.aadPrefixStored) }),
        }),
    ...(createdBy === undefined ? {} : { createdBy }),
    rows: file.rows,
    rowGroups: file.rowGroups.length,
    bytes: file.source.size,
    columns: await inspectColumns(file, options.keys),
  };
}

/** Columns and row count of a plain file, or of one whose footer is in clear. */
export async function readSchema(
  source: RandomAccess,
  options: { readonly limits?: Partial<ParquetLimits> } = {},
): Promise<{ rows: number; rowGroups: number; columns: readonly LeafColumn[] }> {
  const file = await openParquet({ source, ...options });
  return { rows: file.rows, rowGroups: file.rowGroups.length, columns: file.schema.leaves };
}

async function inspectColumns(
  file: OpenFile,
  provider: KeyProvider | undefined,
): Promise<InspectedColumn[]> {
  const keys = new DataKeys(provider);
  const sums = file.schema.leaves.map(() => ({
    compressedBytes: 0,
    uncompressedBytes: 0,
    values: 0,
    codecs: new Set<string>(),
    encodings: new Set<string>(),
    bloomFilter: false,
    hidden: false,
    key: { kind: 'none' } as KeyNote,
  }));
  for (let rowGroup = 0; rowGroup < file.rowGroups.length; rowGroup++) {
    const chunks = chunksOf(file, rowGroup);
    for (const leaf of file.schema.leaves) {
      const chunk = chunks[leaf.ordinal];
      const sum = sums[leaf.ordinal];
      if (chunk === undefined || sum === undefined || sum.hidden) continue;
      sum.key = noteOfProtection(protectionOf(file, chunk, leaf));
      const column = await openColumn(file, keys, { rowGroup, chunk, leaf }).catch((error) => {
        if (isCoded(error, 'key-missing')) return undefined;
        throw error;
      });
      if (column === undefined) {
        sum.hidden = true;
        continue;
      }
      const { metadata } = column;
      const codec = metadata.int(COLUMN.codec) ?? 0;
      sum.compressedBytes += metadata.requiredSize(COLUMN.compressedSize);
      sum.uncompressedBytes += metadata.requiredSize(COLUMN.uncompressedSize);
      sum.values += metadata.requiredSize(COLUMN.values);
      sum.codecs.add(CODECS[codec] ?? `CODEC_${codec}`);
      for (const encoding of metadata.ints(COLUMN.encodings, ENCODINGS_MAX) ?? []) {
        sum.encodings.add(ENCODINGS[encoding] ?? `ENCODING_${encoding}`);
      }
      sum.bloomFilter ||= metadata.has(COLUMN.bloomFilterOffset);
    }
  }
  return file.schema.leaves.map((leaf, i) => {
    const sum = sums[i];
    if (sum === undefined) throw new Error('assertion failed: a sum for each leaf');
    const { hidden, key, codecs, encodings, ...sizes } = sum;
    if (hidden) return { ...leaf, key };
    const used = { codecs: [...codecs], encodings: [...encodings] };
    return { ...leaf, key, sizes: { ...sizes, ...used } };
  });
}

function noteOfProtection(protection: ColumnProtection): KeyNote {
  if (protection.kind === 'clear') return { kind: 'none' };
  if (protection.kind === 'footer-key') return { kind: 'footer-key' };
  return noteOf(protection.keyMetadata);
}

function noteOf(keyMetadata: Uint8Array): KeyNote {
  try {
    const metadata = parseKeyMetadata(keyMetadata);
    if (metadata.storage === 'external') return { kind: 'external', reference: metadata.reference };
    const { masterKeyId, kek } = metadata.material;
    return { kind: 'master-key', masterKeyId, doubleWrapping: kek !== undefined };
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { kind: 'other', keyMetadata: printable(keyMetadata) };
  }
}

function printable(bytes: Uint8Array): string {
  try {
    const text = fromUtf8(bytes);
    if (/^[\x20-\x7e]*$/.test(text)) return text;
  } catch (error) {
    if (!isCoded(error)) throw error;
    // Not text: hexadecimal below.
  }
  return toHex(bytes);
}
