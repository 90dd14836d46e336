// SPDX-License-Identifier: Apache-2.0
// Key generation and reshare: every seat ends with the same key and transcript, and each
// deviation of a dealer is refused with its code.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Committee,
  codeOf,
  committee,
  dealsTo,
  EPOCH,
  filled,
  GENESIS,
  labelOf,
  seats,
  seeded,
} from '../../testing/committee.ts';
import {
  groupKeyOf,
  orderReveals,
  seatPublicShare,
  transcriptHash,
  verifyDeal,
} from '../committee.ts';
import { encodePoint, integerToScalar, ORDER, parsePoint, sumPoints } from '../point.ts';
import {
  commitHash,
  encodeReveal,
  judgeReveal,
  parseReveal,
  pokStatement,
  type Reveal,
  verifyReveal,
} from '../reveal.ts';
import { combineDeals, createDealing, type Dealing } from './dealing.ts';
import { opensslCurve } from './multiply.ts';
import { combinePartials, partialOpen, sealMasterKey } from './open.ts';
import { proveSchnorr } from './prove.ts';
import { randomScalar } from './secret.ts';
import type { KeyShare } from './share.ts';

const NEXT = filled(0xe2);

describe('a new key', () => {
  test('all seats agree, and public shares are the shares’', async () => {
    const shape = fc
      .integer({ min: 1, max: 7 })
      .chain((n) =>
        fc.record({ n: fc.constant(n), t: fc.integer({ min: 1, max: n }), seed: fc.string() }),
      );
    await fc.assert(
      fc.property(shape, ({ n, t, seed }) => {
        const c = committee({ n, t, seed });
        expect(groupKeyOf(c.reveals)).toEqual(c.groupKey);
        for (const share of c.shares) {
          expect(share.groupKey).toEqual(c.groupKey);
          expect(share.publicShare).toEqual(seatPublicShare(c.reveals, share.seat));
        }
        const shuffled = [...c.reveals].reverse();
        expect(transcriptHash({ reveals: shuffled, n })).toEqual(
          transcriptHash({ reveals: c.reveals, n }),
        );
      }),
      { numRuns: 12 },
    );
  });

  test('the transcript hash changes with n and with any reveal', () => {
    const c = committee({ n: 3, t: 2 });
    const other = committee({ n: 3, t: 2, seed: 'other' });
    const mixed = [...c.reveals.slice(0, 2), other.reveals[2] as Reveal];
    const hash = transcriptHash({ reveals: c.reveals, n: 3 });
    expect(transcriptHash({ reveals: mixed, n: 3 })).not.toEqual(hash);
    expect(codeOf(() => transcriptHash({ reveals: c.reveals, n: 4 }))).toBe('reveals-incomplete');
  });

  test('thresholds and seats out of range are refused', () => {
    const ask = (change: object) =>
      codeOf(() =>
        createDealing({
          genesis: GENESIS,
          epoch: EPOCH,
          seat: 1,
          n: 3,
          t: 2,
          random: seeded('x'),
          ...change,
        }),
      );
    for (const [t, n] of [
      [0, 3],
      [4, 3],
      [1.5, 3],
      [2, 256],
    ]) {
      expect(ask({ t, n })).toBe('threshold-out-of-range');
    }
    expect(ask({ seat: 0 })).toBe('seat-out-of-range');
    expect(ask({ genesis: filled(1, 31) })).toBe('argument-invalid');
    expect(ask({ random: { bytes: (n: number) => new Uint8Array(n) } })).toBe('random-exhausted');
  });

  test('a dealing wipes its deals', () => {
    const dealing = createDealing({
      genesis: GENESIS,
      epoch: EPOCH,
      seat: 1,
      n: 2,
      t: 2,
      random: seeded('w'),
    });
    dealing.wipe();
    for (const { deal } of dealing.deals) expect(deal).toEqual(new Uint8Array(32));
  });
});

describe('a rogue last dealer, n = t', () => {
  const c = committee({ n: 3, t: 3 });
  const wanted = randomScalar(seeded('chosen by the rogue'));
  const target = opensslCurve.base(wanted);
  const others = c.reveals.slice(0, 2).map((r) => parsePoint(r.commitments[0] as Uint8Array));
  const constant = encodePoint(target.subtract(sumPoints(others)));
  const honest = c.reveals[2] as Reveal;
  const rogue: Reveal = { ...honest, commitments: [constant, ...honest.commitments.slice(1)] };

  test('without guards it would choose the group key', () => {
    expect(groupKeyOf([...c.reveals.slice(0, 2), rogue])).toEqual(encodePoint(target));
  });

  test('it is bound by the commitment it made before it saw the others', () => {
    const reveal = encodeReveal(rogue);
    const statement = pokStatement(rogue);
    const forged = encodeReveal({ ...rogue, pok: proveSchnorr(statement, wanted, seeded('p')) });
    const commit = c.dealings[2]?.commit as Uint8Array;
    const base = { genesis: GENESIS, epoch: EPOCH, seat: 3, t: 3 };
    expect(codeOf(() => verifyReveal({ ...base, commit, reveal }))).toBe('pok-invalid');
    // Even one that committed last, after all reveals, cannot prove what it does not know.
    for (const bytes of [reveal, forged]) {
      const late = commitHash({ ...base, reveal: bytes });
      const code = codeOf(() => verifyReveal({ ...base, commit: late, reveal: bytes }));
      expect(code).toBe('pok-invalid');
    }
    // And one that does know its constant still cannot change it after committing.
    const again = createDealing({ ...base, n: 3, random: seeded('second thoughts') });
    const code = codeOf(() => verifyReveal({ ...base, commit, reveal: again.reveal }));
    expect(code).toBe('commit-mismatch');
  });

  test('constants that cancel out are refused', () => {
    const [one] = c.reveals as [Reveal];
    const minus = encodePoint(parsePoint(one.commitments[0] as Uint8Array).negate());
    const two: Reveal = { ...one, seat: 2, commitments: [minus, ...one.commitments.slice(1)] };
    expect(codeOf(() => groupKeyOf([one, two]))).toBe('group-key-infinity');
  });
});

describe('a reveal', () => {
  const dealing = createDealing({
    genesis: GENESIS,
    epoch: EPOCH,
    seat: 2,
    n: 3,
    t: 2,
    random: seeded('reveal'),
  });
  const { reveal, commit } = dealing;
  const right = { genesis: GENESIS, epoch: EPOCH, seat: 2, t: 2, reveal, commit };
  const ask = (change: object) => codeOf(() => verifyReveal({ ...right, ...change }));

  test('holds in both forms of the curve', () => {
    expect(ask({})).toBe('no error');
    expect(ask({ curve: opensslCurve })).toBe('no error');
    expect(judgeReveal(right).commit).toEqual(commit);
  });

  test('of another charter, epoch, seat, threshold, origin or commitment is refused', () => {
    const reshare = { previous: NEXT, publicShare: parseReveal(reveal).commitments[0] };
    expect(ask({ genesis: filled(1) })).toBe('reveal-other-charter');
    expect(ask({ epoch: NEXT })).toBe('reveal-other-epoch');
    expect(ask({ seat: 3 })).toBe('reveal-other-seat');
    expect(ask({ t: 3 })).toBe('reveal-other-threshold');
    expect(ask({ reshare })).toBe('reveal-other-origin');
    expect(ask({ commit: filled(1) })).toBe('commit-mismatch');
  });

  test('copied and relabelled as one’s own does not prove anything', () => {
    const parsed = parseReveal(reveal);
    for (const change of [{ seat: 1 }, { epoch: NEXT }, { genesis: filled(1) }]) {
      const stolen = { ...parsed, ...change };
      const bytes = encodeReveal(stolen);
      expect(codeOf(() => judgeReveal({ ...stolen, reveal: bytes }))).toBe('pok-invalid');
    }
    const [a, b] = parsed.commitments as [Uint8Array, Uint8Array];
    const bytes = encodeReveal({ ...parsed, commitments: [a, a] });
    expect(codeOf(() => judgeReveal({ ...right, reveal: bytes }))).toBe('pok-invalid');
    expect(b).not.toEqual(a);
  });

  test('survives no truncation and no bit flip', () => {
    for (let i = 0; i < reveal.length; i++) {
      expect(ask({ reveal: reveal.slice(0, i) })).toBe('reveal-malformed');
      const bent = Uint8Array.from(reveal);
      bent[i] = (bent[i] as number) ^ (1 << (i % 8));
      expect(ask({ reveal: bent, curve: opensslCurve })).toMatch(
        /^(reveal-|point-|pok-|commit-|proof-)/,
      );
    }
  });

  test('with infinity, a point off the curve or a scalar out of range', () => {
    const parsed = parseReveal(reveal);
    const [a] = parsed.commitments as [Uint8Array];
    const off = Uint8Array.from(a);
    off[64] = (off[64] as number) ^ 1;
    const withSecond = (second: Uint8Array) =>
      ask({ reveal: encodeReveal({ ...parsed, commitments: [a, second] }) });
    expect(withSecond(Uint8Array.of(0))).toBe('point-infinity');
    expect(withSecond(off)).toBe('point-not-on-curve');
    const pok = Uint8Array.from(parsed.pok).fill(255, 32);
    expect(ask({ reveal: encodeReveal({ ...parsed, pok }) })).toBe('proof-malformed');
    const zero = Uint8Array.from(parsed.pok).fill(0, 32);
    expect(ask({ reveal: encodeReveal({ ...parsed, pok: zero }) })).toBe('proof-malformed');
  });
});

describe('combining deals', () => {
  const c = committee({ n: 3, t: 2 });
  const right = { seat: 2, n: 3, reveals: c.reveals, deals: dealsTo(2, c.dealings) };
  const ask = (change: object) => codeOf(() => combineDeals({ ...right, ...change }));
  const replace = (deal: Uint8Array) => [...right.deals.slice(0, 2), { dealer: 3, deal }];

  test('refuses a deal that does not fit, and names the dealer', () => {
    const wrong = dealsTo(1, c.dealings)[2]?.deal as Uint8Array;
    expect(ask({ deals: replace(wrong) })).toBe('deal-invalid');
    try {
      combineDeals({ ...right, deals: replace(wrong) });
    } catch (error) {
      expect((error as { details: object }).details).toEqual({ dealer: 3, seat: 2 });
    }
  });

  test('refuses deals out of range', () => {
    const deal = right.deals[2]?.deal as Uint8Array;
    expect(verifyDeal({ reveal: c.reveals[2] as Reveal, seat: 2, deal })).toBe(true);
    for (const bad of [integerToScalar(0n), filled(255), filled(1, 31), filled(1, 33)]) {
      expect(ask({ deals: replace(bad) })).toBe('deal-invalid');
    }
    expect(ORDER > 0n).toBe(true);
  });

  test('refuses missing and doubled deals and reveals', () => {
    const [one, two, three] = right.deals;
    expect(ask({ deals: [one, two] })).toBe('deals-incomplete');
    expect(ask({ deals: [one, two, three, three] })).toBe('deals-incomplete');
    expect(ask({ reveals: c.reveals.slice(1) })).toBe('reveals-incomplete');
    expect(ask({ reveals: [] })).toBe('reveals-incomplete');
    expect(ask({ reveals: [...c.reveals, c.reveals[0]] })).toBe('seat-duplicate');
    expect(ask({ seat: 4 })).toBe('seat-out-of-range');
  });

  test('refuses reveals of different epochs, charters or thresholds', () => {
    const with3 = (other: Committee) => [...c.reveals.slice(0, 2), other.reveals[2]];
    const epoch = committee({ n: 3, t: 2, epoch: NEXT });
    const charter = committee({ n: 3, t: 2, genesis: filled(1) });
    const threshold = committee({ n: 3, t: 3 });
    expect(ask({ reveals: with3(epoch) })).toBe('reveal-other-epoch');
    expect(ask({ reveals: with3(charter) })).toBe('reveal-other-charter');
    expect(ask({ reveals: with3(threshold) })).toBe('reveal-other-threshold');
  });
});

/** Old seats `dealers` deal their shares again to a committee of n with threshold t. */
function reshare(old: Committee, dealers: readonly number[], n: number, t: number) {
  const random = seeded('reshare');
  const dealings = dealers.map((seat) => {
    const share = old.shares[seat - 1] as KeyShare;
    return createDealing({ genesis: GENESIS, epoch: NEXT, seat, n, t, random, reshare: share });
  });
  const reveals = dealings.map(({ reveal, commit }, i) => {
    const seat = dealers[i] as number;
    const from = { previous: EPOCH, publicShare: seatPublicShare(old.reveals, seat) };
    return verifyReveal({ genesis: GENESIS, epoch: NEXT, seat, t, reveal, commit, reshare: from });
  });
  return { dealings, reveals };
}

function resharedShares(
  r: { dealings: readonly Dealing[]; reveals: readonly Reveal[] },
  dealers: readonly number[],
  n: number,
  expectedGroupKey: Uint8Array,
): KeyShare[] {
  return seats(n).map((seat) => {
    const deals = dealsTo(seat, r.dealings, dealers);
    return combineDeals({ seat, n, reveals: r.reveals, deals, expectedGroupKey });
  });
}

describe('a reshare', () => {
  const old = committee({ n: 3, t: 2 });
  const label = labelOf(old.groupKey);
  const masterKey = filled(0x33);
  const { groupKey } = old;
  const sealed = sealMasterKey({ groupKey, label, masterKey, random: seeded('k') });

  const openWith = (shares: readonly KeyShare[], which: readonly number[], t: number) => {
    const partials = which.map((seat) => {
      const share = shares[seat - 1] as KeyShare;
      return { seat, point: partialOpen({ share, sealed, label }) };
    });
    return combinePartials({ t, partials, groupKey, sealed, label });
  };

  test('keeps the key and what is sealed to it, through two steps', () => {
    const dealers = [1, 3];
    const shares = resharedShares(reshare(old, dealers, 5, 3), dealers, 5, groupKey);
    for (const share of shares) expect(share.groupKey).toEqual(groupKey);
    expect(openWith(shares, [5, 2, 4], 3)).toEqual(masterKey);
    expect(openWith(shares, [1, 2, 3], 3)).toEqual(masterKey);
    expect(codeOf(() => openWith(shares, [1, 2], 2))).toBe('opening-tag-invalid');
  });

  test('more dealers than needed do as well', () => {
    const dealers = [1, 2, 3];
    const shares = resharedShares(reshare(old, dealers, 3, 2), dealers, 3, groupKey);
    expect(openWith(shares, [2, 3], 2)).toEqual(masterKey);
  });

  test('old and new shares do not mix', () => {
    const dealers = [1, 2];
    const shares = resharedShares(reshare(old, dealers, 3, 2), dealers, 3, groupKey);
    const mixed = [old.shares[0] as KeyShare, shares[1] as KeyShare];
    expect(codeOf(() => openWith(mixed, [1, 2], 2))).toBe('opening-tag-invalid');
  });

  test('of something other than the old share is refused', () => {
    const stranger = committee({ n: 3, t: 2, seed: 'stranger' }).shares[0] as KeyShare;
    const dealing = createDealing({
      genesis: GENESIS,
      epoch: NEXT,
      seat: 1,
      n: 3,
      t: 2,
      random: seeded('r'),
      reshare: stranger,
    });
    const publicShare = seatPublicShare(old.reveals, 1);
    const check = { genesis: GENESIS, epoch: NEXT, seat: 1, t: 2, ...dealing };
    const from = { previous: EPOCH, publicShare };
    expect(codeOf(() => verifyReveal({ ...check, reshare: from }))).toBe('reshare-constant');
    expect(codeOf(() => verifyReveal(check))).toBe('reveal-other-origin');
    const later = { previous: filled(0xe9), publicShare };
    expect(codeOf(() => verifyReveal({ ...check, reshare: later }))).toBe('reveal-other-origin');
  });

  test('with too few dealers does not give the key', () => {
    const r = reshare(old, [2], 3, 2);
    const make = () => resharedShares(r, [2], 3, groupKey);
    expect(codeOf(make)).toBe('reshare-group-key');
    expect(codeOf(() => groupKeyOf(r.reveals, { expected: groupKey }))).toBe('reshare-group-key');
  });

  test('is not combined without the old group key, nor mixed with a new key', () => {
    const r = reshare(old, [1, 2], 3, 2);
    const deals = dealsTo(1, r.dealings, [1, 2]);
    const combine = (reveals: readonly Reveal[]) =>
      codeOf(() => combineDeals({ seat: 1, n: 3, reveals, deals }));
    expect(combine(r.reveals)).toBe('argument-invalid');
    const fresh = committee({ n: 3, t: 2, epoch: NEXT }).reveals;
    expect(codeOf(() => orderReveals([r.reveals[0] as Reveal, fresh[1] as Reveal]))).toBe(
      'reveal-other-origin',
    );
  });

  test('is of one’s own share and seat only', () => {
    const share = old.shares[0] as KeyShare;
    const base = { genesis: GENESIS, epoch: NEXT, n: 3, t: 2, random: seeded('s') };
    const other = () => createDealing({ ...base, seat: 2, reshare: share });
    expect(codeOf(other)).toBe('reveal-other-seat');
    const charter = () => createDealing({ ...base, genesis: filled(4), seat: 1, reshare: share });
    expect(codeOf(charter)).toBe('reveal-other-charter');
  });
});
