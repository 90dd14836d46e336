// SPDX-License-Identifier: Apache-2.0
// Fresh data keys for one file, wrapped into PKMT1 key material. Double wrapping: one KEK for each
// master key and file, wrapped by the master key; a DEK for each leaf, wrapped by the KEK. Single
// wrapping: the master key wraps each DEK. Material is kept in the file, or outside it under names
// as parquet-java gives them (`footerKey`, `columnKey0`, ...).
import { randomBytes } from 'node:crypto';
import { equal, utf8 } from '@cloister/core';
import { parquetError } from './errors.ts';
import {
  encodeKeyMaterial,
  encodeKeyReference,
  type KeyMaterial,
  masterKeyAad,
  wrapKey,
} from './key-material.ts';
import { AesKey } from './modules.ts';

/** A master key and the id by which a file names it. */
export interface MasterKey {
  readonly id: string;
  /** 16, 24 or 32 bytes; 32 random bytes where there is a choice. */
  readonly masterKey: Uint8Array;
}

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

/** Fresh data keys for the footer and for each column that has a master key of its own. */
export function wrapDataKeys(
  footer: MasterKey,
  columns: readonly (MasterKey | undefined)[],
  options: WrappingOptions,
): FileKeys {
  const masters = checkedMasters([footer, ...columns]);
  const keks = new Map<string, Kek>();
  const external = new Map<string, string>();
  const wrap = (master: MasterKey, reference: string, isFooterKey: boolean): WrappedDataKey => {
    const dek = randomBytes(options.keyBits / 8);
    const wrapping = masters.get(master.id) ?? new AesKey(master.masterKey, 'a master key');
    const kek = options.wrapping === 'double' ? kekOf(keks, master.id, wrapping) : undefined;
    const material: KeyMaterial = {
      isFooterKey,
      masterKeyId: master.id,
      ...(kek === undefined ? {} : { kek: { id: kek.id, wrapped: kek.wrapped } }),
      wrappedDek:
        kek === undefined
          ? wrapKey(wrapping, dek, masterKeyAad(master.id))
          : wrapKey(kek.key, dek, kek.id),
    };
    const key = new AesKey(dek, 'a data key');
    const internal = options.keyMaterial === 'internal';
    const json = encodeKeyMaterial(material, internal);
    if (internal) return { key, metadata: utf8(json) };
    external.set(reference, json);
    return { key, metadata: utf8(encodeKeyReference(reference)) };
  };
  return {
    footer: wrap(footer, 'footerKey', true),
    columns: columns.map((master, i) => master && wrap(master, `columnKey${i}`, false)),
    external,
  };
}

/** One AES key for each id. @throws CodedError `options-invalid` where an id has two keys */
function checkedMasters(masters: readonly (MasterKey | undefined)[]): Map<string, AesKey> {
  const known = new Map<string, MasterKey>();
  for (const master of masters) {
    if (master === undefined) continue;
    const other = known.get(master.id);
    if (other !== undefined && !equal(other.masterKey, master.masterKey)) {
      throw parquetError(
        'options-invalid',
        `two master keys have the id ${JSON.stringify(master.id)}`,
      );
    }
    known.set(master.id, master);
  }
  return new Map(
    [...known.values()].map((m) => [m.id, new AesKey(m.masterKey, `master key ${m.id}`)]),
  );
}

function kekOf(keks: Map<string, Kek>, masterKeyId: string, master: AesKey): Kek {
  const known = keks.get(masterKeyId);
  if (known !== undefined) return known;
  const secret = randomBytes(KEK_BYTES);
  const kek: Kek = {
    key: new AesKey(secret, 'a KEK'),
    id: randomBytes(KEK_ID_BYTES),
    wrapped: wrapKey(master, secret, masterKeyAad(masterKeyId)),
  };
  keks.set(masterKeyId, kek);
  return kek;
}
