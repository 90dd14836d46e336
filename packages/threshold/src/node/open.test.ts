// SPDX-License-Identifier: Apache-2.0
// Sealing to the group and opening by t of n: properties over n, agreement with @hpke/core under
// the whole key, and the attacks on openings, each shown to work without its guard and refused
// with its code.
import { concat, type Random } from '@cloister/core';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Committee,
  codeOf,
  committee,
  filled,
  labelOf,
  seats,
  seeded,
} from '../../testing/committee.ts';
import { invertModOrder, lagrangeAtZero } from '../lagrange.ts';
import {
  encodePoint,
  integerToScalar,
  modOrder,
  ORDER,
  parsePoint,
  timesPublic,
  toInteger,
} from '../point.ts';
import {
  CheckedSealedKey,
  encodeSealedKey,
  parseSealedKey,
  verifySealedKey,
} from '../sealed-key.ts';
import { openWithDh } from './hpke.ts';
import { opensslCurve } from './multiply.ts';
import { combinePartials, type PartialPoint, partialOpen, sealMasterKey } from './open.ts';
import { proveSchnorr } from './prove.ts';
import { randomScalar } from './secret.ts';
import { type KeyShare, secretOf } from './share.ts';

const KEY = filled(0x5a);

function specimen(n = 3, t = 2, random: Random = seeded('specimen')) {
  const c = committee({ n, t });
  const { groupKey } = c;
  const label = labelOf(groupKey);
  const sealed = sealMasterKey({ groupKey, label, masterKey: KEY, random });
  return { ...c, label, sealed, t, n };
}

function share(c: Committee, seat: number): KeyShare {
  return c.shares[seat - 1] as KeyShare;
}

function openAt(s: ReturnType<typeof specimen>, which: readonly number[]): PartialPoint[] {
  const { sealed, label } = s;
  return which.map((seat) => ({
    seat,
    point: partialOpen({ share: share(s, seat), sealed, label }),
  }));
}

/** The group's secret, as only a test may have it. */
function wholeSecret(c: Committee, which: readonly number[]): Uint8Array<ArrayBuffer> {
  const lambdas = lagrangeAtZero(which);
  const sum = which.reduce(
    (s, seat, i) => s + (lambdas[i] as bigint) * toInteger(secretOf(share(c, seat)).secret),
    0n,
  );
  return integerToScalar(modOrder(sum));
}

describe('a key that was checked before', () => {
  test('gives the same point, under its own label and no other', () => {
    const s = specimen();
    const { sealed, label, groupKey } = s;
    const one = share(s, 1);
    const checked = new CheckedSealedKey({ sealed, label, curve: opensslCurve });
    const points = [sealed, checked].map((key) => partialOpen({ share: one, sealed: key, label }));
    expect(points[1]).toEqual(points[0]);
    const other = labelOf(groupKey, { column: 9 });
    expect(codeOf(() => partialOpen({ share: one, sealed: checked, label: other }))).toBe(
      'pi-invalid',
    );
    expect(codeOf(() => new CheckedSealedKey({ sealed, label: other }))).toBe('pi-invalid');
  });

  test('cannot be changed or imitated', () => {
    const { sealed, label, ...c } = specimen();
    const mine = Uint8Array.from(sealed);
    const checked = new CheckedSealedKey({ sealed: mine, label, curve: opensslCurve });
    mine.fill(0);
    checked.under(label)?.enc.fill(0);
    expect(checked.under(label)).toEqual(parseSealedKey(sealed));
    const imitated = Object.create(CheckedSealedKey.prototype) as CheckedSealedKey;
    expect(() => partialOpen({ share: share(c, 1), sealed: imitated, label })).toThrow(TypeError);
  });
});

describe('t of n open', () => {
  test('any t of n in any order, and no t - 1, for n from 2 to 7', async () => {
    const shape = fc.integer({ min: 2, max: 7 }).chain((n) =>
      fc.record({
        n: fc.constant(n),
        t: fc.integer({ min: 1, max: n }),
        order: fc.shuffledSubarray(seats(n), { minLength: n }),
        key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        seed: fc.string(),
      }),
    );
    await fc.assert(
      fc.property(shape, ({ n, t, order, key, seed }) => {
        const c = committee({ n, t, seed });
        const { groupKey } = c;
        const label = labelOf(groupKey);
        const sealed = sealMasterKey({ groupKey, label, masterKey: key, random: seeded(seed) });
        const partials = order.slice(0, t).map((seat) => {
          return { seat, point: partialOpen({ share: share(c, seat), sealed, label }) };
        });
        const opening = { t, partials, groupKey, sealed, label };
        expect(combinePartials(opening)).toEqual(key);
        if (t === 1) return;
        const few = { ...opening, t: t - 1, partials: partials.slice(1) };
        expect(codeOf(() => combinePartials(few))).toBe('opening-tag-invalid');
      }),
      { numRuns: 25 },
    );
  });

  test('2 of 3 give what @hpke/core gives under the whole key', async () => {
    const s = specimen();
    const kem = new DhkemP256HkdfSha256();
    const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
    const secret = wholeSecret(s, [1, 3]);
    expect(encodePoint(opensslCurve.base(secret))).toEqual(s.groupKey);
    const { enc, ct } = parseSealedKey(s.sealed);
    const recipient = await suite.createRecipientContext({
      recipientKey: await kem.deserializePrivateKey(secret.buffer),
      enc: buffer(enc),
      info: buffer(s.label),
    });
    const theirs = new Uint8Array(await recipient.open(buffer(ct)));
    const ours = combinePartials({ ...s, partials: openAt(s, [2, 3]) });
    expect([theirs, ours]).toEqual([KEY, KEY]);
  });

  test('a key that @hpke/core sealed to the group opens once pi is added', async () => {
    const s = specimen();
    const kem = new DhkemP256HkdfSha256();
    const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
    const ekm = await kem.deriveKeyPair(filled(7).buffer);
    const ephemeral = new Uint8Array(await kem.serializePrivateKey(ekm.privateKey));
    const sender = await suite.createSenderContext({
      recipientPublicKey: await kem.deserializePublicKey(buffer(s.groupKey)),
      info: buffer(s.label),
      ekm,
    });
    const ct = new Uint8Array(await sender.seal(KEY.buffer));
    const enc = new Uint8Array(sender.enc);
    const statement = { domain: 'cloister/pi/v1', context: [s.label, ct], point: enc } as const;
    const pi = proveSchnorr(statement, ephemeral, seeded('pi'));
    const sealed = encodeSealedKey({ enc, ct, pi });
    const partials = openAt({ ...s, sealed }, [3, 1]);
    expect(combinePartials({ ...s, sealed, partials })).toEqual(KEY);
  });
});

describe("E' = rE: a keeper is no oracle", () => {
  const s = specimen();
  const victim = parseSealedKey(s.sealed);
  const r = randomScalar(seeded('r'));
  const bent = encodePoint(opensslCurve.multiply(r, parsePoint(victim.enc)));

  test('without pi the attack works', () => {
    const answers = [1, 2].map((seat) =>
      secretOf(share(s, seat)).multiplier.multiply(parsePoint(bent)),
    );
    const lambdas = lagrangeAtZero([1, 2]);
    const product = timesPublic(answers[0] as never, lambdas[0] as bigint).add(
      timesPublic(answers[1] as never, lambdas[1] as bigint),
    );
    const inverse = invertModOrder(toInteger(r));
    const dh = encodePoint(timesPublic(product, inverse)).slice(1, 33);
    const { enc, ct } = victim;
    const aad = new Uint8Array(0);
    const key = openWithDh({ dh, enc, recipient: s.groupKey, info: s.label, aad, ct });
    expect(key).toEqual(KEY);
  });

  test('with pi it is refused, whatever the attacker puts there', () => {
    const own = labelOf(s.groupKey, { owner: 'attacker' });
    const { ct, pi } = victim;
    const statement = { domain: 'cloister/pi/v1', context: [own, ct], point: bent } as const;
    const proofs = [pi, proveSchnorr(statement, r, seeded('forged')), concat(filled(1), filled(2))];
    for (const forged of proofs) {
      const sealed = encodeSealedKey({ enc: bent, ct, pi: forged });
      for (const label of [s.label, own]) {
        const code = codeOf(() => partialOpen({ share: share(s, 1), sealed, label }));
        expect(code).toBe('pi-invalid');
      }
    }
  });

  test('and the victim’s own enc under another label or with another ct', () => {
    const { enc, ct, pi } = victim;
    const other = labelOf(s.groupKey, { column: 4 });
    const asIs = () => partialOpen({ share: share(s, 1), sealed: s.sealed, label: other });
    expect(codeOf(asIs)).toBe('pi-invalid');
    const changed = Uint8Array.from(ct);
    changed[0] = (changed[0] as number) ^ 1;
    const sealed = encodeSealedKey({ enc, ct: changed, pi });
    const code = codeOf(() => partialOpen({ share: share(s, 1), sealed, label: s.label }));
    expect(code).toBe('pi-invalid');
  });
});

describe('what a keeper refuses to open', () => {
  const s = specimen();
  const keeper = share(s, 1);

  test('a label of another charter or another group key', () => {
    const foreign = labelOf(s.groupKey, { genesis: filled(9) });
    const { groupKey, sealed } = s;
    const masterKey = KEY;
    const charter = sealMasterKey({ groupKey, label: foreign, masterKey, random: seeded('c') });
    const open = (args: { sealed: Uint8Array; label: Uint8Array }) =>
      codeOf(() => partialOpen({ share: keeper, ...args }));
    expect(open({ sealed: charter, label: foreign })).toBe('label-other-charter');
    const otherKey = committee({ n: 2, t: 2, seed: 'other' }).groupKey;
    expect(open({ sealed, label: labelOf(otherKey) })).toBe('label-other-key');
    expect(open({ sealed, label: filled(1) })).toBe('label-malformed');
  });

  test('anything once wiped, and it is never serialised', () => {
    const c = committee({ n: 2, t: 2 });
    const one = share(c, 1);
    const { secret } = secretOf(one);
    expect(codeOf(() => JSON.stringify({ one }))).toBe('secret-not-serialisable');
    one.wipe();
    one.wipe();
    expect(secret).toEqual(new Uint8Array(32));
    expect(one.wiped).toBe(true);
    expect(codeOf(() => partialOpen({ ...s, share: one }))).toBe('secret-wiped');
  });
});

describe('combining', () => {
  const s = specimen(5, 3);
  const partials = openAt(s, [1, 2, 3]);
  const combine = (list: readonly PartialPoint[], change = {}) =>
    codeOf(() => combinePartials({ ...s, ...change, partials: list }));
  const [one, two, three] = partials as [PartialPoint, PartialPoint, PartialPoint];

  test('refuses duplicate seats, also where t others are there', () => {
    expect(combine([one, two, { ...three, seat: 2 }])).toBe('seat-duplicate');
    expect(combine([one, two, three, three])).toBe('seat-duplicate');
  });

  test('refuses seats out of range: 0 would answer for the whole key', () => {
    for (const seat of [0, -1, 256, 1.5, Number.NaN, ORDER as unknown as number]) {
      expect(combine([one, two, { ...three, seat }])).toBe('seat-out-of-range');
    }
  });

  test('refuses too few', () => {
    expect(combine([one, two])).toBe('partials-too-few');
    expect(combine([])).toBe('partials-too-few');
    expect(combine([], { t: 0 })).toBe('partials-too-few');
  });

  test('refuses infinity, points off the curve and other encodings', () => {
    const off = Uint8Array.from(three.point);
    off[64] = (off[64] as number) ^ 1;
    const compressed = concat(Uint8Array.of(2), three.point.subarray(1, 33));
    const zero = concat(Uint8Array.of(4), new Uint8Array(64));
    const above = concat(Uint8Array.of(4), new Uint8Array(64).fill(255));
    const at = (point: Uint8Array) => combine([one, two, { seat: 3, point }]);
    expect(at(Uint8Array.of(0))).toBe('point-infinity');
    expect(at(off)).toBe('point-not-on-curve');
    expect(at(zero)).toBe('point-not-on-curve');
    expect(at(compressed)).toBe('point-malformed');
    expect(at(above)).toBe('point-malformed');
    expect(at(new Uint8Array(0))).toBe('point-malformed');
  });

  test('refuses partial openings that cancel out', () => {
    const pair = specimen(2, 2);
    const [a] = openAt(pair, [1]) as [PartialPoint];
    const twice = encodePoint(parsePoint(a.point).double());
    const code = codeOf(() =>
      combinePartials({ ...pair, partials: [a, { seat: 2, point: twice }] }),
    );
    expect(code).toBe('opening-infinity');
  });

  test('a wrong one, another epoch’s or one for another key fails the tag', () => {
    const minus = encodePoint(parsePoint(three.point).negate());
    expect(combine([one, two, { seat: 3, point: minus }])).toBe('opening-tag-invalid');
    const old = committee({ n: 5, t: 3, seed: 'older', epoch: filled(0xe2) });
    const { enc } = parseSealedKey(s.sealed);
    const foreign = encodePoint(secretOf(share(old, 3)).multiplier.multiply(parsePoint(enc)));
    expect(combine([one, two, { seat: 3, point: foreign }])).toBe('opening-tag-invalid');
    const again = { ...s, sealed: specimen(5, 3, seeded('again')).sealed };
    const [other] = openAt(again, [3]) as [PartialPoint];
    expect(combine([one, two, other])).toBe('opening-tag-invalid');
  });

  test('a label of another group key is refused before anything is computed', () => {
    const label = labelOf(committee({ n: 2, t: 2, seed: 'x' }).groupKey);
    expect(combine(partials, { label })).toBe('label-other-key');
  });
});

test('pi holds for the public form of the curve as for OpenSSL', () => {
  const { sealed, label } = specimen();
  expect(verifySealedKey({ sealed, label })).toBe(true);
  expect(verifySealedKey({ sealed, label, curve: opensslCurve })).toBe(true);
});

/** An ArrayBuffer of exactly these bytes. */
function buffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
