// SPDX-License-Identifier: Apache-2.0
// The quorum rule, against its reason: two quorums share an honest witness, and one has an honest
// majority.

import { charterSpecimen, namedSigner } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { countQuorum, quorumProblem, smallestQuorum } from './quorum.ts';

describe('quorum', () => {
  it('holds exactly when overlaps and majorities are honest', () => {
    for (let w = 1; w <= 12; w++) {
      for (let f = 0; f < w; f++) {
        for (let q = 1; q <= w + 1; q++) {
          const honest = q <= w && 2 * q - w > f && q - f > f;
          expect(quorumProblem({ witnesses: w, faulty: f, quorum: q }) === undefined).toBe(honest);
        }
        const least = smallestQuorum(w, f);
        expect(
          quorumProblem({ witnesses: 99, faulty: f, quorum: smallestQuorum(99, f) }),
        ).toBeUndefined();
        expect(quorumProblem({ witnesses: w, faulty: f, quorum: least - 1 })).toBeDefined();
      }
    }
  });

  it('says what was got and wanted', () => {
    const numbers = { witnesses: 3, faulty: 1, quorum: 2 };
    expect(quorumProblem(numbers)).toBe(
      'got a quorum of 2; with 3 witnesses of which 1 may lie, wanted more than 2',
    );
  });

  it('counts distinct known keys only', () => {
    const charter = charterSpecimen();
    const key = (id: string) => namedSigner('specimen', `${id}/witness`).key;
    const stranger = namedSigner('x', 'y').key;
    const signers = [key('bank'), key('bank'), stranger, key('insurer')];
    expect(countQuorum(charter, signers)).toEqual({
      met: false,
      members: ['insurer', 'bank'],
      quorum: 3,
    });
    expect(countQuorum(charter, [...signers, key('hospital')]).met).toBe(true);
  });
});
