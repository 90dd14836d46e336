// SPDX-License-Identifier: Apache-2.0
// Where data keys come from. A file's key metadata goes to a KeyProvider, which answers the data
// key or refuses with `key-missing`, naming what it lacks. Providers here: key material of type
// PKMT1 with a KMS behind it, master keys in memory, and keys named directly by the metadata.
import { fromUtf8, isCoded } from '@cloister/core';
import { parquetError } from './errors.ts';
import {
  type KeyMaterial,
  masterKeyAad,
  parseKeyMaterial,
  parseKeyMetadata,
  unwrapKey,
  wrapKey,
} from './key-material.ts';
import { AesKey } from './modules.ts';

/** Bytes of a name in key metadata. */
const NAME_MAX = 1_000;

/** Answers data keys by key metadata. */
export interface KeyProvider {
  /**
   * The data key that `keyMetadata` (empty where the file has none) stands for.
   * @param use what it is for, in words: `the footer`, `column a.b`
   * @param column the dotted path of the column; absent for the footer
   * @throws CodedError `key-missing`, `tag-invalid`, `key-material-malformed`
   */
  dataKey(keyMetadata: Uint8Array, use: string, column?: string): Promise<Uint8Array>;
}

/** The little that is asked of a key management service. */
export interface Kms {
  /** Text that `unwrap` takes. @throws CodedError `key-missing` */
  wrap(masterKeyId: string, key: Uint8Array): Promise<string>;
  /** @throws CodedError `key-missing`, `tag-invalid` */
  unwrap(masterKeyId: string, wrapped: string): Promise<Uint8Array>;
}

/** A KMS over master keys in memory: AES-GCM with the key's id as AAD, as others' test KMS do. */
export function localKms(masterKeys: ReadonlyMap<string, Uint8Array>): Kms {
  const held = new Map([...masterKeys].map(([id, key]) => [id, new AesKey(key, `key ${id}`)]));
  const get = (id: string): AesKey => {
    const key = held.get(id);
    if (key === undefined) throw missing(id);
    return key;
  };
  return {
    wrap: async (id, key) => wrapKey(get(id), key, masterKeyAad(id)),
    unwrap: async (id, wrapped) =>
      unwrapKey(get(id), wrapped, masterKeyAad(id), `what master key ${id} wraps`),
  };
}

/** Data keys from PKMT1 key material, through a KMS. */
export function kmsKeys(
  kms: Kms,
  options: { externalMaterial?: ReadonlyMap<string, string> } = {},
): KeyProvider {
  const keks = new Map<string, Promise<Uint8Array>>();
  const unwrapKek = (material: KeyMaterial, wrapped: string): Promise<Uint8Array> => {
    const name = JSON.stringify([material.masterKeyId, wrapped]);
    const known = keks.get(name);
    if (known !== undefined) return known;
    const unwrapping = kms.unwrap(material.masterKeyId, wrapped);
    keks.set(name, unwrapping);
    // A KMS that could not be reached is asked again next time.
    unwrapping.catch(() => keks.delete(name));
    return unwrapping;
  };
  return {
    async dataKey(keyMetadata, use) {
      const material = materialFor(keyMetadata, use, options.externalMaterial);
      if (material.kek === undefined) {
        return await kms.unwrap(material.masterKeyId, material.wrappedDek);
      }
      const kek = new AesKey(await unwrapKek(material, material.kek.wrapped), `the KEK of ${use}`);
      return unwrapKey(kek, material.wrappedDek, material.kek.id, `the data key of ${use}`);
    },
  };
}

/** Data keys from PKMT1 key material and the master keys that it names, by id. */
export function masterKeys(
  keys: ReadonlyMap<string, Uint8Array>,
  options: { externalMaterial?: ReadonlyMap<string, string> } = {},
): KeyProvider {
  return kmsKeys(localKms(keys), options);
}

/** As `masterKeys`, of keys whose ids are numbers in decimal: the columns of a dataset. */
export function numberedKeys(keys: Iterable<readonly [number, Uint8Array]>): KeyProvider {
  return masterKeys(new Map([...keys].map(([id, key]) => [String(id), key])));
}

/** Data keys by name, where key metadata is that name in UTF-8; '' is the key of no metadata. */
export function namedKeys(keys: ReadonlyMap<string, Uint8Array>): KeyProvider {
  return {
    async dataKey(keyMetadata, use) {
      const name = nameOf(keyMetadata);
      const key = keys.get(name);
      if (key === undefined) {
        throw parquetError('key-missing', `no key named ${JSON.stringify(name)} for ${use}`);
      }
      return key;
    },
  };
}

/** Data keys themselves, as they are given to readers that know no key service. */
export interface DirectKeys {
  readonly footer?: Uint8Array | undefined;
  /** By the dotted path of a column, or of a group for all under it; the longest path wins. */
  readonly columns?: ReadonlyMap<string, Uint8Array>;
  /** By key metadata, where that is a name in UTF-8; a name wins over a path. */
  readonly named?: ReadonlyMap<string, Uint8Array>;
}

/** Data keys given directly: by the name that stands in key metadata, or by their column. */
export function directKeys({ footer, columns, named }: DirectKeys): KeyProvider {
  return {
    async dataKey(keyMetadata, use, column) {
      const name = keyMetadata.length === 0 ? undefined : textOf(keyMetadata);
      const byName = name === undefined ? undefined : named?.get(name);
      const key = byName ?? (column === undefined ? footer : keyOfPath(columns, column));
      if (key !== undefined) return key;
      const called = name === undefined ? '' : `, which the file calls ${JSON.stringify(name)}`;
      throw parquetError('key-missing', `no key was given for ${use}${called}`);
    },
  };
}

function keyOfPath(
  columns: ReadonlyMap<string, Uint8Array> | undefined,
  path: string,
): Uint8Array | undefined {
  const parts = path.split('.');
  for (let length = parts.length; length > 0; length--) {
    const key = columns?.get(parts.slice(0, length).join('.'));
    if (key !== undefined) return key;
  }
  return undefined;
}

/** What may be the name of a key; undefined where it is not short text. */
function textOf(keyMetadata: Uint8Array): string | undefined {
  try {
    return keyMetadata.length > NAME_MAX ? undefined : fromUtf8(keyMetadata);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return undefined;
  }
}

function nameOf(keyMetadata: Uint8Array): string {
  try {
    return fromUtf8(keyMetadata);
  } catch (error) {
    if (!isCoded(error)) throw error;
    throw parquetError('key-material-malformed', 'key metadata is not the name of a key');
  }
}

function materialFor(
  keyMetadata: Uint8Array,
  use: string,
  external: ReadonlyMap<string, string> | undefined,
): KeyMaterial {
  const metadata = parseKeyMetadata(keyMetadata);
  if (metadata.storage === 'internal') return metadata.material;
  const json = external?.get(metadata.reference);
  if (json === undefined) {
    const name = JSON.stringify(metadata.reference);
    throw parquetError('key-missing', `${use} needs external key material ${name}, not supplied`);
  }
  return parseKeyMaterial(json);
}

function missing(masterKeyId: string): Error {
  const id = JSON.stringify(masterKeyId);
  return parquetError('key-missing', `master key ${id} is not held`, { details: { masterKeyId } });
}
