// SPDX-License-Identifier: Apache-2.0
// Key material and providers: what each mode writes, what each mutation of key metadata is refused
// with, how a KMS is asked, and that its failures are not remembered.
import { utf8 } from '@cloister/core';
import { describe, expect, test } from 'vitest';
import {
  encodeKeyMaterial,
  encodeKeyReference,
  parseKeyMaterial,
  parseKeyMetadata,
  unwrapKey,
  wrapKey,
} from './key-material.ts';
import { wrapDataKeys } from './key-wrapping.ts';
import { type Kms, kmsKeys, localKms, masterKeys, namedKeys } from './keys.ts';
import { AesKey } from './modules.ts';

const A = { id: 'a', masterKey: new Uint8Array(32).fill(1) };
const B = { id: 'b', masterKey: new Uint8Array(16).fill(2) };
const HELD = new Map([A, B].map((k) => [k.id, k.masterKey]));
const DEFAULTS = { keyBits: 256, wrapping: 'double', keyMaterial: 'internal' } as const;

describe('wrapping', () => {
  test.each([
    [DEFAULTS, 32],
    [{ ...DEFAULTS, keyBits: 192 } as const, 24],
    [{ ...DEFAULTS, keyBits: 128, wrapping: 'single' } as const, 16],
  ])('%o is found again through master keys', async (options, length) => {
    const keys = await wrapDataKeys(A, [B, undefined, A], options);
    expect(keys.columns[1]).toBeUndefined();
    expect(keys.external.size).toBe(0);
    const provider = masterKeys(HELD);
    for (const wrapped of [keys.footer, keys.columns[0], keys.columns[2]]) {
      const found = await provider.dataKey(wrapped?.metadata ?? new Uint8Array(), 'it');
      expect(found).toHaveLength(length);
      expect(Buffer.from(found)).toEqual(wrapped?.key.object.export());
    }
  });

  test('external material goes by reference, and is needed', async () => {
    const keys = await wrapDataKeys(A, [B], { ...DEFAULTS, keyMaterial: 'external' });
    expect([...keys.external.keys()]).toEqual(['footerKey', 'columnKey0']);
    const metadata = keys.columns[0]?.metadata ?? new Uint8Array();
    expect(parseKeyMetadata(metadata)).toEqual({ storage: 'external', reference: 'columnKey0' });
    const found = await masterKeys(HELD, { externalMaterial: keys.external }).dataKey(
      metadata,
      'x',
    );
    expect(found).toHaveLength(32);
    await expect(masterKeys(HELD).dataKey(metadata, 'x')).rejects.toMatchObject({
      code: 'key-missing',
    });
  });

  test('a file has one KEK for each master key, and asks the KMS once for it', async () => {
    const keys = await wrapDataKeys(A, [A, A, B], DEFAULTS);
    const asked: string[] = [];
    const inner = localKms(HELD);
    const kms: Kms = {
      ...inner,
      unwrap: async (id, wrapped) => {
        asked.push(id);
        return await inner.unwrap(id, wrapped);
      },
    };
    const provider = kmsKeys(kms);
    for (const wrapped of [keys.footer, ...keys.columns]) {
      await provider.dataKey(wrapped?.metadata ?? new Uint8Array(), 'it');
    }
    expect(asked).toEqual(['a', 'b']);
  });

  test('a KMS that fails once is asked again', async () => {
    const { footer } = await wrapDataKeys(A, [], DEFAULTS);
    let failures = 1;
    const inner = localKms(HELD);
    const kms: Kms = {
      ...inner,
      unwrap: async (id, wrapped) => {
        if (failures-- > 0) throw new Error('unreachable');
        return await inner.unwrap(id, wrapped);
      },
    };
    const provider = kmsKeys(kms);
    await expect(provider.dataKey(footer.metadata, 'it')).rejects.toThrow('unreachable');
    expect(await provider.dataKey(footer.metadata, 'it')).toHaveLength(32);
  });
});

describe('a wrapped key', () => {
  const key = new AesKey(A.masterKey, 'a');
  const aad = utf8('a');
  const secret = new Uint8Array(16).fill(9);

  test('comes back under its key and AAD only', () => {
    const wrapped = wrapKey(key, secret, aad);
    expect(unwrapKey(key, wrapped, aad, 'it')).toEqual(secret);
    const other = new AesKey(B.masterKey, 'b');
    const refused = expect.objectContaining({ code: 'tag-invalid' });
    expect(() => unwrapKey(other, wrapped, aad, 'it')).toThrow(refused);
    expect(() => unwrapKey(key, wrapped, utf8('b'), 'it')).toThrow(refused);
  });

  test('may have a length before it', () => {
    const raw = Buffer.from(wrapKey(key, secret, aad), 'base64');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(raw.length);
    const prefixed = Buffer.concat([length, raw]).toString('base64');
    expect(unwrapKey(key, prefixed, aad, 'it')).toEqual(secret);
  });

  test.each(['', 'AAAA', 'not base64!', 'A'.repeat(36)])('%j is none', (text) => {
    const code = expect.objectContaining({ code: 'key-material-malformed' });
    expect(() => unwrapKey(key, text, aad, 'it')).toThrow(code);
  });
});

describe('key metadata', () => {
  const good = JSON.parse(
    encodeKeyMaterial(
      {
        isFooterKey: true,
        masterKeyId: 'a',
        kek: { id: new Uint8Array(16), wrapped: 'w' },
        wrappedDek: 'd',
      },
      true,
    ),
  ) as Record<string, unknown>;

  test('has the fields that other readers look for', () => {
    expect(good).toEqual({
      keyMaterialType: 'PKMT1',
      internalStorage: true,
      isFooterKey: true,
      kmsInstanceID: 'DEFAULT',
      kmsInstanceURL: 'DEFAULT',
      masterKeyID: 'a',
      doubleWrapping: true,
      keyEncryptionKeyID: 'AAAAAAAAAAAAAAAAAAAAAA==',
      wrappedKEK: 'w',
      wrappedDEK: 'd',
    });
    expect(JSON.parse(encodeKeyReference('r'))).toEqual({
      keyMaterialType: 'PKMT1',
      internalStorage: false,
      keyReference: 'r',
    });
  });

  test.each(Object.keys(good).filter((name) => name !== 'internalStorage'))(
    'without %s, or with another type in it, is refused',
    (name) => {
      const refused = expect.objectContaining({ code: 'key-material-malformed' });
      const { [name]: _, ...without } = good;
      expect(() => parseKeyMetadata(utf8(JSON.stringify(without)))).toThrow(refused);
      for (const value of [null, 7, {}]) {
        const changed = JSON.stringify({ ...good, [name]: value });
        expect(() => parseKeyMetadata(utf8(changed))).toThrow(refused);
        expect(() => parseKeyMaterial(changed)).toThrow(refused);
      }
    },
  );

  test.each(['', '[]', 'null', '{', '"PKMT1"', '{"keyMaterialType":"PKMT2"}'])('%j', (text) => {
    const refused = expect.objectContaining({ code: 'key-material-malformed' });
    expect(() => parseKeyMetadata(utf8(text))).toThrow(refused);
  });

  test('that is not text, or far too long', () => {
    const refused = expect.objectContaining({ code: 'key-material-malformed' });
    expect(() => parseKeyMetadata(Uint8Array.of(0xff))).toThrow(refused);
    expect(() => parseKeyMetadata(new Uint8Array(100_000))).toThrow(refused);
    expect(() => parseKeyMaterial(' '.repeat(100_000))).toThrow(refused);
  });
});

test('named keys are found by name, and named when missing', async () => {
  const provider = namedKeys(new Map([['kf', A.masterKey]]));
  expect(await provider.dataKey(utf8('kf'), 'the footer')).toEqual(A.masterKey);
  await expect(provider.dataKey(utf8('kc'), 'column x')).rejects.toMatchObject({
    code: 'key-missing',
    message: expect.stringMatching(/"kc".*column x/),
  });
});
