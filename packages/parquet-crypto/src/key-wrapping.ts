// SPDX-License-Identifier: Apache-2.0
// The keys of one file: fresh data keys, wrapped into PKMT1 key material, or keys given directly.
// Double wrapping: one KEK for each master key and file, wrapped by the master key; a DEK for each
// leaf, wrapped by the KEK. Single wrapping: the master key wraps each DEK. Material is kept in the
// file, or outside it under names as parquet-java gives them (`footerKey`, `columnKey0`, ...).
import { randomBytes } from 'node:crypto';
import { equal, utf8 } from '@cloister/core';
import { parquetError } from './errors.ts';
import {
  encodeKeyMaterial,
  encodeKeyReference,
  type KeyMaterial,
  wrapKey,
} from './key-material.ts';
import { type Kms, localKms } from './keys.ts';
import { AesKey } from './modules.ts';

/** A master key and the id by which a file names it. */
export interface MasterKey {
  readonly id: string;
  /** 16, 24 or 32 bytes; 32 random bytes where there is a choice. */
  readonly masterKey: Uint8Array;
}

/** A master key that a service keeps: it wraps what it is given, and never leaves. */
export interface KmsKey {
  readonly id: string;
  readonly kms: Kms;
}

/** A data key itself, for readers that are given it directly; nothing wraps it. */
export interface DataKey {
  /** 16, 24 or 32 bytes. It may serve several files: at most 2^32 modules in all. */
  readonly dataKey: Uint8Array;
  /** What key metadata says; empty where absent, and readers go by the column. */
  readonly name?: string | undefined;
}

/** What a footer or a column is put under. */
export type FileKey = MasterKey | KmsKey | DataKey;

/** A data key, and the key metadata that lets a reader find it. */
export interface WrappedDataKey {
  readonly key: AesKey;
  readonly metadata: Uint8Array;
}

/** How data keys are made and kept. */
export interface WrappingOptions {
  readonly keyBits: 128 | 192 | 256;
  readonly wrapping: 'double' | 'single';
  readonly keyMaterial: 'internal' | 'external';
}

/** All keys of one file. */
export interface FileKeys {
  readonly footer: WrappedDataKey;
  /** One for each leaf, in order; undefined where the footer key serves. */
  readonly columns: readonly (WrappedDataKey | undefined)[];
  /** Key material by reference, where it is kept outside the file. */
  readonly external: ReadonlyMap<string, string>;
}

const KEK_BYTES = 32;
const KEK_ID_BYTES = 16;

interface Kek {
  readonly key: AesKey;
  readonly id: Uint8Array;
  readonly wrapped: string;
}

/**
 * Keys for the footer and for each column that has one of its own: fresh data keys under master
 * keys, or those that were given.
 * @throws CodedError `options-invalid`, `key-length`, and what a key service throws
 */
export async function wrapDataKeys(
  footer: FileKey,
  columns: readonly (FileKey | undefined)[],
  options: WrappingOptions,
): Promise<FileKeys> {
  const masters = checkedMasters([footer, ...columns]);
  const external = new Map<string, string>();
  const wrap = async (key: FileKey, reference: string, isFooterKey: boolean) => {
    if ('dataKey' in key) {
      return { key: new AesKey(key.dataKey, 'a data key'), metadata: utf8(key.name ?? '') };
    }
    const master = masters.get(key.id);
    if (master === undefined) throw new Error('assertion failed: a master key');
    const dek = randomBytes(options.keyBits / 8);
    const kek = options.wrapping === 'double' ? await master.kek() : undefined;
    const material: KeyMaterial = {
      isFooterKey,
      masterKeyId: key.id,
      ...(kek === undefined ? {} : { kek: { id: kek.id, wrapped: kek.wrapped } }),
      wrappedDek:
        kek === undefined ? await master.kms.wrap(key.id, dek) : wrapKey(kek.key, dek, kek.id),
    };
    const internal = options.keyMaterial === 'internal';
    const json = encodeKeyMaterial(material, internal);
    const made = new AesKey(dek, 'a data key');
    if (internal) return { key: made, metadata: utf8(json) };
    external.set(reference, json);
    return { key: made, metadata: utf8(encodeKeyReference(reference)) };
  };
  const wrapped: (WrappedDataKey | undefined)[] = [];
  const own = await wrap(footer, 'footerKey', true);
  for (const [i, key] of columns.entries()) {
    wrapped.push(key && (await wrap(key, `columnKey${i}`, false)));
  }
  return { footer: own, columns: wrapped, external };
}

interface Master {
  readonly kms: Kms;
  /** The one KEK of this file under it. */
  kek(): Promise<Kek>;
}

/** Masters by id. @throws CodedError `options-invalid` where an id has two keys */
function checkedMasters(keys: readonly (FileKey | undefined)[]): Map<string, Master> {
  const known = new Map<string, MasterKey | KmsKey>();
  for (const key of keys) {
    if (key === undefined || 'dataKey' in key) continue;
    const other = known.get(key.id);
    if (other !== undefined && !alike(other, key)) {
      const message = `two master keys have the id ${JSON.stringify(key.id)}`;
      throw parquetError('options-invalid', message);
    }
    known.set(key.id, key);
  }
  return new Map([...known.values()].map((key) => [key.id, masterOf(key)]));
}

function alike(one: MasterKey | KmsKey, other: MasterKey | KmsKey): boolean {
  if ('kms' in one || 'kms' in other)
    return 'kms' in one && 'kms' in other && one.kms === other.kms;
  return equal(one.masterKey, other.masterKey);
}

function masterOf(key: MasterKey | KmsKey): Master {
  const kms = 'kms' in key ? key.kms : localKms(new Map([[key.id, key.masterKey]]));
  let kek: Promise<Kek> | undefined;
  return {
    kms,
    kek: () => {
      kek ??= freshKek(kms, key.id);
      return kek;
    },
  };
}

async function freshKek(kms: Kms, masterKeyId: string): Promise<Kek> {
  const secret = randomBytes(KEK_BYTES);
  const wrapped = await kms.wrap(masterKeyId, secret);
  return { key: new AesKey(secret, 'a KEK'), id: randomBytes(KEK_ID_BYTES), wrapped };
}
