// SPDX-License-Identifier: Apache-2.0
// Fresh data keys for one file, wrapped into PKMT1 key material. Double wrapping: one KEK for each
// master key and file, wrapped by the master key; a DEK for each leaf, wrapped by the KEK.
import { randomBytes } from 'node:crypto';
import { toBase64, utf8 } from '@cloister/core';
import { misused } from './errors.ts';
import { encodeKeyMaterial, type KeyMaterial, masterKeyAad, wrapKey } from './key-material.ts';
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

const KEK_BYTES = 32;
const KEK_ID_BYTES = 16;

/** Fresh data keys for the footer and for each column, in the order of `columns`. */
export function wrapDataKeys(
  footer: MasterKey,
  columns: readonly MasterKey[],
  dataKeyBytes: 16 | 24 | 32 = 32,
): { footer: WrappedDataKey; columns: WrappedDataKey[] } {
  const keks = new Map<
    string,
    { master: MasterKey; kek: AesKey; id: Uint8Array; wrapped: string }
  >();
  const kekOf = (master: MasterKey) => {
    const known = keks.get(master.id);
    if (known !== undefined) {
      if (known.master === master || sameBytes(known.master.masterKey, master.masterKey))
        return known;
      throw misused('options-invalid', `two master keys have the id ${JSON.stringify(master.id)}`);
    }
    const secret = randomBytes(KEK_BYTES);
    const masterKey = new AesKey(master.masterKey, `master key ${master.id}`);
    const wrapped = wrapKey(masterKey, secret, masterKeyAad(master.id));
    const made = {
      master,
      kek: new AesKey(secret, 'a KEK'),
      id: randomBytes(KEK_ID_BYTES),
      wrapped,
    };
    keks.set(master.id, made);
    return made;
  };
  const wrap = (master: MasterKey, isFooterKey: boolean): WrappedDataKey => {
    const { kek, id, wrapped } = kekOf(master);
    const dek = randomBytes(dataKeyBytes);
    const material: KeyMaterial = {
      isFooterKey,
      masterKeyId: master.id,
      kek: { id, wrapped },
      wrappedDek: wrapKey(kek, dek, id),
    };
    return { key: new AesKey(dek, 'a DEK'), metadata: utf8(encodeKeyMaterial(material, true)) };
  };
  return { footer: wrap(footer, true), columns: columns.map((master) => wrap(master, false)) };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return toBase64(a) === toBase64(b);
}
