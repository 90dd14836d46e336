// SPDX-License-Identifier: Apache-2.0
// HPKE against the vectors of RFC 9180 for the one suite, and against @hpke/core both ways.
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { concat, fromHex, toHex, utf8 } from '@cloister/core';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { describe, expect, test } from 'vitest';
import { codeOf, seeded } from '../../testing/committee.ts';
import {
  deriveHpkeKeyPair,
  generateHpkeKeyPair,
  type HpkeKeyPair,
  hpkeKeyPairFrom,
  hpkeOpen,
  hpkeSeal,
  sealWith,
} from './hpke.ts';

const suite = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const VECTORS = new URL(
  '../../../../../shared/vectors/crypto/hpke/circl_vectors_rfc9180_5f503c5.json.gz',
  import.meta.url,
);

interface Vector {
  readonly mode: number;
  readonly kem_id: number;
  readonly kdf_id: number;
  readonly aead_id: number;
  readonly info: string;
  readonly ikmR: string;
  readonly ikmE: string;
  readonly skRm: string;
  readonly pkRm: string;
  readonly enc: string;
  readonly encryptions: readonly { aad: string; ct: string; pt: string }[];
}

describe.skipIf(!existsSync(VECTORS))('RFC 9180 vectors [skip: shared]', () => {
  const load = () =>
    (JSON.parse(gunzipSync(readFileSync(VECTORS)).toString()) as Vector[]).filter(
      (v) => v.mode === 0 && v.kem_id === 16 && v.kdf_id === 1 && v.aead_id === 2,
    );

  test('derive the keys, seal to the same bytes, open', () => {
    const vectors = load();
    expect(vectors.length).toBe(1);
    for (const v of vectors) {
      const recipient = deriveHpkeKeyPair(fromHex(v.ikmR));
      expect(toHex(recipient.publicKey)).toBe(v.pkRm);
      expect(toHex(recipient.privateKey)).toBe(v.skRm);
      const first = v.encryptions[0] as Vector['encryptions'][number];
      const info = fromHex(v.info);
      const aad = fromHex(first.aad);
      const ephemeral = deriveHpkeKeyPair(fromHex(v.ikmE)).privateKey;
      const plaintext = fromHex(first.pt);
      const made = sealWith(ephemeral, { publicKey: recipient.publicKey, info, aad, plaintext });
      expect(toHex(made.enc)).toBe(v.enc);
      expect(toHex(made.ct)).toBe(first.ct);
      const sealed = concat(fromHex(v.enc), fromHex(first.ct));
      expect(toHex(hpkeOpen({ keyPair: recipient, info, aad, sealed }))).toBe(first.pt);
    }
  });
});

describe('against @hpke/core', () => {
  const info = utf8('info');
  const aad = utf8('associated');
  const plaintext = utf8('a plaintext of some length, longer than two blocks of AES');

  test('it opens what we seal', async () => {
    const pair = generateHpkeKeyPair(seeded('a'));
    const sealed = hpkeSeal({ publicKey: pair.publicKey, info, aad, plaintext });
    const recipient = await suite.createRecipientContext({
      recipientKey: await foreignKey(pair),
      enc: sealed.slice(0, 65).buffer,
      info: info.buffer,
    });
    const opened = await recipient.open(sealed.slice(65).buffer, aad.buffer);
    expect(new Uint8Array(opened)).toEqual(plaintext);
  });

  test('we open what it seals', async () => {
    const pair = generateHpkeKeyPair(seeded('b'));
    const key = await suite.kem.deserializePublicKey(pair.publicKey.buffer);
    const sender = await suite.createSenderContext({
      recipientPublicKey: key,
      info: info.buffer,
    });
    const ct = await sender.seal(plaintext.buffer, aad.buffer);
    const sealed = concat(new Uint8Array(sender.enc), new Uint8Array(ct));
    expect(hpkeOpen({ keyPair: pair, info, aad, sealed })).toEqual(plaintext);
  });
});

describe('an HPKE message', () => {
  const keyPair = generateHpkeKeyPair(seeded('k'));
  const [info, aad, plaintext] = [utf8('i'), utf8('a'), utf8('secret')];
  const { publicKey } = keyPair;
  const sealed = hpkeSeal({ publicKey, info, aad, plaintext, random: seeded('s') });

  test('opens, also with a key pair read back from its bytes', () => {
    const again = hpkeKeyPairFrom(keyPair.privateKey);
    expect(hpkeOpen({ keyPair: again, info, aad, sealed })).toEqual(plaintext);
  });

  test('does not open after any single change', () => {
    const other = generateHpkeKeyPair(seeded('other'));
    const failed = 'hpke-open-failed';
    expect(codeOf(() => hpkeOpen({ keyPair: other, info, aad, sealed }))).toBe(failed);
    expect(codeOf(() => hpkeOpen({ keyPair, info: aad, aad, sealed }))).toBe(failed);
    expect(codeOf(() => hpkeOpen({ keyPair, info, aad: info, sealed }))).toBe(failed);
    for (let i = 0; i < sealed.length; i++) {
      const bent = Uint8Array.from(sealed);
      bent[i] = (bent[i] as number) ^ 1;
      const code = codeOf(() => hpkeOpen({ keyPair, info, aad, sealed: bent }));
      expect(code).toBe(i === 0 ? 'point-malformed' : i < 65 ? 'point-not-on-curve' : failed);
    }
    for (let length = 0; length < sealed.length; length++) {
      const cut = sealed.slice(0, length);
      const code = codeOf(() => hpkeOpen({ keyPair, info, aad, sealed: cut }));
      expect(code).toBe(length < 65 ? 'point-malformed' : failed);
    }
  });

  test('is sealed to no key that is not a point', () => {
    const off = Uint8Array.from(publicKey);
    off[64] = (off[64] as number) ^ 1;
    const seal = (key: Uint8Array) =>
      codeOf(() => hpkeSeal({ publicKey: key, info, aad, plaintext }));
    expect(seal(off)).toBe('point-not-on-curve');
    expect(seal(Uint8Array.of(0))).toBe('point-infinity');
    expect(seal(publicKey.subarray(1))).toBe('point-malformed');
  });

  test('two sealings of one plaintext differ', () => {
    const again = hpkeSeal({ publicKey, info, aad, plaintext });
    expect(toHex(again.subarray(0, 65))).not.toBe(toHex(sealed.subarray(0, 65)));
  });

  test('a key pair is not serialised and, wiped, gives nothing', () => {
    const pair = generateHpkeKeyPair(seeded('w'));
    expect(codeOf(() => JSON.stringify(pair))).toBe('secret-not-serialisable');
    pair.wipe();
    expect(codeOf(() => pair.privateKey)).toBe('secret-wiped');
    expect(codeOf(() => pair.dh(publicKey))).toBe('secret-wiped');
  });
});

async function foreignKey(pair: HpkeKeyPair): Promise<CryptoKey> {
  return suite.kem.deserializePrivateKey(pair.privateKey.buffer);
}
