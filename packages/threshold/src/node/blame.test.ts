// SPDX-License-Identifier: Apache-2.0
// Settling a failed opening: one batched proof a request names the seat that answered wrongly.
import { describe, expect, test } from 'vitest';
import {
  codeOf,
  committee,
  EPOCH,
  filled,
  GENESIS,
  labelOf,
  seeded,
} from '../../testing/committee.ts';
import { seatPublicShare } from '../committee.ts';
import { blame, type ProvenAnswer, verifyPartial, verifyPartials } from '../partials.ts';
import { encodePoint, integerToScalar, ORDER, parsePoint } from '../point.ts';
import { parseSealedKey } from '../sealed-key.ts';
import { opensslCurve } from './multiply.ts';
import { combinePartials, partialOpen, provePartials, sealMasterKey } from './open.ts';
import type { KeyShare } from './share.ts';

const REQUEST = filled(0x77);
const c = committee({ n: 4, t: 2 });
const columns = [1, 2, 3, 4, 5].map((column) => {
  const label = labelOf(c.groupKey, { column });
  const masterKey = filled(column);
  const sealed = sealMasterKey({
    groupKey: c.groupKey,
    label,
    masterKey,
    random: seeded(`${column}`),
  });
  return { label, masterKey, sealed, enc: parseSealedKey(sealed).enc };
});
const encs = columns.map((column) => column.enc);

function honestAnswer(seat: number): Required<ProvenAnswer> {
  const share = c.shares[seat - 1] as KeyShare;
  const points = columns.map(({ sealed, label }) => partialOpen({ share, sealed, label }));
  const openings = encs.map((enc, i) => ({ enc, point: points[i] as Uint8Array }));
  const proof = provePartials({ share, request: REQUEST, openings, random: seeded('proof') });
  return { seat, publicShare: seatPublicShare(c.reveals, seat), points, proof };
}

/** Adds the base point to one of a seat's answers. */
function bend(answer: Required<ProvenAnswer>, at: number): Required<ProvenAnswer> {
  const points = [...answer.points];
  points[at] = encodePoint(
    parsePoint(points[at] as Uint8Array).add(opensslCurve.base(integerToScalar(1n))),
  );
  return { ...answer, points };
}

const settle = (answers: readonly ProvenAnswer[]) =>
  blame({ genesis: GENESIS, epoch: EPOCH, request: REQUEST, encs, answers });

describe('blame', () => {
  const honest = [1, 2, 3, 4].map(honestAnswer);

  test('all honest: nobody is blamed', () => {
    expect(settle(honest)).toEqual({ honest: [1, 2, 3, 4], faulty: [] });
  });

  test('one wrong point in one column names the seat, and the others open', () => {
    const answers = honest.map((a) => (a.seat === 2 ? bend(a, 3) : a));
    const partialsAt = (seatsUsed: readonly number[], column: number) =>
      seatsUsed.map((seat) => {
        const answer = answers[seat - 1] as ProvenAnswer;
        return { seat, point: answer.points[column] as Uint8Array };
      });
    const open = (seatsUsed: readonly number[]) => {
      const { sealed, label } = columns[3] as (typeof columns)[number];
      const partials = partialsAt(seatsUsed, 3);
      return combinePartials({ t: 2, partials, groupKey: c.groupKey, sealed, label });
    };
    expect(codeOf(() => open([1, 2]))).toBe('opening-tag-invalid');
    const verdict = settle(answers);
    expect(verdict).toEqual({ honest: [1, 3, 4], faulty: [2] });
    expect(open(verdict.honest)).toEqual(columns[3]?.masterKey);
  });

  test('two errors that cancel in a plain sum do not pass the weights', () => {
    const [answer] = honest as [Required<ProvenAnswer>];
    const up = bend(answer, 0);
    const points = [...up.points];
    const minus = integerToScalar(ORDER - 1n);
    points[1] = encodePoint(parsePoint(points[1] as Uint8Array).add(opensslCurve.base(minus)));
    const openings = encs.map((enc, i) => ({ enc, point: points[i] as Uint8Array }));
    const share = c.shares[0] as KeyShare;
    const proof = provePartials({ share, request: REQUEST, openings, random: seeded('cheat') });
    expect(settle([{ ...up, points, proof }]).faulty).toEqual([1]);
  });

  test('silence, too few points and things that are no points are faults', () => {
    const [one, two, three, four] = honest as Required<ProvenAnswer>[];
    const { proof: _, ...silent } = one as Required<ProvenAnswer>;
    const answers: ProvenAnswer[] = [
      silent,
      { ...(two as Required<ProvenAnswer>), points: (two as ProvenAnswer).points.slice(1) },
      { ...(three as Required<ProvenAnswer>), points: encs.map(() => new Uint8Array(65)) },
      { ...(four as Required<ProvenAnswer>), proof: new Uint8Array(64) },
    ];
    expect(settle(answers)).toEqual({ honest: [], faulty: [1, 2, 3, 4] });
  });

  test('a seat that answers twice is an error of the asker', () => {
    const [one] = honest as [ProvenAnswer];
    expect(codeOf(() => settle([one, one]))).toBe('seat-duplicate');
  });
});

describe('a proof of partial openings', () => {
  const answer = honestAnswer(1);
  const openings = encs.map((enc, i) => ({ enc, point: answer.points[i] as Uint8Array }));
  const { publicShare, proof } = answer;
  const request = REQUEST;
  const right = { genesis: GENESIS, epoch: EPOCH, seat: 1, publicShare, request, openings };

  test('holds in both forms of the curve', () => {
    expect(verifyPartials(right, proof)).toBe(true);
    expect(verifyPartials(right, proof, opensslCurve)).toBe(true);
  });

  test('holds for one opening', () => {
    const [opening] = openings as [(typeof openings)[number]];
    const { openings: _, ...rest } = right;
    const share = c.shares[0] as KeyShare;
    const one = provePartials({ share, request: REQUEST, openings: [opening] });
    expect(verifyPartial({ ...rest, opening }, one)).toBe(true);
    expect(verifyPartial({ ...rest, opening }, proof)).toBe(false);
  });

  test('is of this charter, epoch, seat, share, request and order only', () => {
    const other = filled(1);
    const wrong = [
      { ...right, genesis: other },
      { ...right, epoch: other },
      { ...right, seat: 2 },
      { ...right, request: other },
      { ...right, publicShare: seatPublicShare(c.reveals, 2) },
      { ...right, openings: [...openings].reverse() },
      { ...right, openings: openings.slice(1) },
    ];
    for (const statement of wrong) expect(verifyPartials(statement, proof)).toBe(false);
  });

  test('does not survive any bit flip or out-of-range scalar', () => {
    for (let i = 0; i < proof.length; i += 7) {
      const bent = Uint8Array.from(proof);
      bent[i] = (bent[i] as number) ^ 0x10;
      expect(verifyPartials(right, bent, opensslCurve)).toBe(false);
    }
    const high = Uint8Array.from(proof).fill(255, 32);
    expect(verifyPartials(right, high)).toBe(false);
    expect(verifyPartials(right, proof.subarray(1))).toBe(false);
  });

  test('needs at least one opening', () => {
    expect(codeOf(() => verifyPartials({ ...right, openings: [] }, proof))).toBe(
      'argument-invalid',
    );
  });
});
