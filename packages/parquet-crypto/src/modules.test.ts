// SPDX-License-Identifier: Apache-2.0
// Modules byte by byte: AADs and framing as Encryption.md lays them out, ordinals at their limit,
// every mutation of a module refused.
import { createDecipheriv } from 'node:crypto';
import { toHex } from '@cloister/core';
import { describe, expect, test } from 'vitest';
import { joinBytes } from './bytes.ts';
import {
  AesKey,
  FileAad,
  footerTag,
  GCM_OVERHEAD,
  MODULE,
  moduleLength,
  openCtr,
  openGcm,
  sealCtr,
  sealGcm,
  signFooter,
} from './modules.ts';

const aad = new FileAad(Uint8Array.of(0xaa), Uint8Array.of(0xbb, 0xcc));
const key = new AesKey(new Uint8Array(32).fill(3), 'a key');
const where = (): string => 'it';
const refused = expect.objectContaining({ code: 'tag-invalid' });

describe('AADs', () => {
  test('prefix, file, type, then little-endian ordinals', () => {
    expect(toHex(aad.footer())).toBe('aabbcc00');
    expect(toHex(aad.chunk(MODULE.columnMetadata, 1, 0x0203))).toBe('aabbcc0101000302');
    expect(toHex(aad.page(MODULE.dataPage, 0x1234, 2, 0x7fff))).toBe('aabbcc0234120200ff7f');
  });

  test('ordinals end at 32,767', () => {
    const limit = expect.objectContaining({ code: 'parquet-limit' });
    expect(() => aad.page(MODULE.dataPage, 0, 0, 32_768)).toThrow(limit);
    expect(() => aad.chunk(MODULE.dataPage, 32_768, 0)).toThrow(limit);
    expect(() => aad.chunk(MODULE.dataPage, 0, 32_768)).toThrow(limit);
  });
});

describe('a GCM module', () => {
  const plain = new Uint8Array(200_000).map((_, i) => i % 251);

  test('is length, nonce, ciphertext, tag', () => {
    const module = joinBytes(sealGcm(key, aad.footer(), plain));
    expect(module.length).toBe(plain.length + GCM_OVERHEAD);
    expect(moduleLength(module)).toBe(module.length);
    const raw = new Uint8Array(32).fill(3);
    const decipher = createDecipheriv('aes-256-gcm', raw, module.subarray(4, 16));
    decipher.setAAD(aad.footer());
    decipher.setAuthTag(module.subarray(-16));
    const out = Buffer.concat([decipher.update(module.subarray(16, -16)), decipher.final()]);
    expect(out.equals(plain)).toBe(true);
  });

  test('comes back from parts as from a whole, and never twice the same', () => {
    const parts = [plain.subarray(0, 5), plain.subarray(5, 100_000), plain.subarray(100_000)];
    const [a, b] = [sealGcm(key, aad.footer(), parts), sealGcm(key, aad.footer(), plain)];
    expect(toHex(joinBytes(a).subarray(0, 16))).not.toBe(toHex(joinBytes(b).subarray(0, 16)));
    for (const module of [a, b]) {
      const opened = openGcm(key, aad.footer(), joinBytes(module), where);
      expect(Buffer.from(joinBytes(opened)).equals(plain)).toBe(true);
    }
  });

  test('is refused under another key, another AAD, or with any byte changed', () => {
    const module = joinBytes(sealGcm(key, aad.footer(), plain.subarray(0, 20)));
    const other = new AesKey(new Uint8Array(16), 'another');
    expect(() => openGcm(other, aad.footer(), module, where)).toThrow(refused);
    expect(() => openGcm(key, aad.chunk(1, 0, 0), module, where)).toThrow(refused);
    for (let at = 0; at < module.length; at++) {
      const changed = Uint8Array.from(module);
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      expect(() => openGcm(key, aad.footer(), changed, where)).toThrow(refused);
      expect(() => openGcm(key, aad.footer(), module.subarray(0, at), where)).toThrow();
    }
  });

  test('of nothing is framing alone', () => {
    const module = joinBytes(sealGcm(key, aad.footer(), new Uint8Array(0)));
    expect(module.length).toBe(GCM_OVERHEAD);
    expect(joinBytes(openGcm(key, aad.footer(), module, where))).toHaveLength(0);
  });
});

test('a CTR page is length, nonce, ciphertext, its counter starting at one', () => {
  const plain = new Uint8Array(1000).fill(5);
  const module = joinBytes(sealCtr(key, plain));
  expect(module.length).toBe(plain.length + 16);
  const iv = joinBytes([module.subarray(4, 16), Uint8Array.of(0, 0, 0, 1)]);
  const decipher = createDecipheriv('aes-256-ctr', new Uint8Array(32).fill(3), iv);
  expect(new Uint8Array(decipher.update(module.subarray(16)))).toEqual(plain);
  const framed = {
    head: module.subarray(0, 16),
    ciphertext: module.subarray(16),
    tag: new Uint8Array(0),
  };
  expect(joinBytes(openCtr(key, framed, where))).toEqual(plain);
  const short = { ...framed, ciphertext: module.subarray(17) };
  expect(() => openCtr(key, short, where)).toThrow(refused);
});

test('the signature of a footer is nonce and tag', () => {
  const footer = new Uint8Array(300).fill(9);
  const signature = signFooter(key, aad.footer(), footer);
  expect(signature).toHaveLength(28);
  const [, tag] = footerTag(key, aad.footer(), footer, signature.subarray(0, 12));
  expect(toHex(tag)).toBe(toHex(signature.subarray(12)));
});

test.each([0, 15, 17, 31, 33])('AES has no key of %i bytes', (length) => {
  const code = expect.objectContaining({ code: 'key-length' });
  expect(() => new AesKey(new Uint8Array(length), 'it')).toThrow(code);
});
