// SPDX-License-Identifier: Apache-2.0
// Measures: what the ledger shows of a run's exact numbers is their classes and nothing else; those
// whom it concerns read them, and are told when the classes are not theirs.
import { isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { MEASURED, namedSecret, World } from '@cloister/testkit/world';
import { hpkeKeyPairFrom, hpkeOpen } from '@cloister/threshold/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  classesOf,
  classOf,
  decodeMeasures,
  encodeMeasures,
  type Measures,
  type MeasuresSaid,
  openMeasures,
} from './measures.ts';

const world = new World();

function opened(said: MeasuresSaid, me = 'bank'): Promise<Measures> {
  const keyPair = hpkeKeyPairFrom(namedSecret(world.seed, `${me}/hpke`));
  const aad = new Uint8Array(0);
  return openMeasures({
    ...{ genesis: world.genesis, said, me, crypto: nodeCrypto },
    open: (info, sealed) => hpkeOpen({ keyPair, info, aad, sealed }),
  });
}

const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'opened',
    (error: unknown) => (isCoded(error) ? error.code : `uncoded: ${String(error)}`),
  );

describe('the class of a number', () => {
  it('is the power of two that it is below', () => {
    expect([0, 1, 2, 3, 4, 7, 8].map(classOf)).toEqual([0, 1, 2, 2, 3, 3, 4]);
    expect(classOf(Number.MAX_SAFE_INTEGER)).toBe(53);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (value) => {
        const bits = BigInt(classOf(value));
        expect(BigInt(value) < 2n ** bits && BigInt(value) >= 2n ** (bits - 1n)).toBe(true);
      }),
    );
  });
});

describe('measures', () => {
  it('are of one length, and come back', () => {
    const size = fc.maxSafeNat();
    const any = fc.record({
      rowsOut: size,
      bytesOut: size,
      milliseconds: size,
      peakMemoryBytes: size,
    });
    fc.assert(
      fc.property(any, (measures) => {
        expect(encodeMeasures(measures)).toHaveLength(32);
        expect(decodeMeasures(encodeMeasures(measures))).toEqual(measures);
      }),
    );
    expect(() => decodeMeasures(new Uint8Array(31))).toThrow('31 bytes');
    expect(() => decodeMeasures(new Uint8Array(32).fill(255))).toThrow(/four numbers/);
  });

  it('look alike on the ledger within a class, but for what hides them', async () => {
    // The same classes: 5 and 7 rows, 400 and 511 bytes, and so on.
    const other = {
      rowsOut: 7,
      bytesOut: 511,
      milliseconds: 2_047,
      peakMemoryBytes: 67_108_863,
    };
    expect(classesOf(other)).toEqual(classesOf(MEASURED));
    const [one, two] = [await world.sealed(MEASURED), await world.sealed(other)];
    expect(two.classes).toEqual(one.classes);
    expect(two.openings).toHaveLength(one.openings.length);
    expect(two.measures).not.toEqual(one.measures);
    expect(await opened(one)).toEqual(MEASURED);
    expect(await opened(two)).toEqual(other);
  });

  it('are hidden by a salt: the same numbers have another commitment each time', async () => {
    const [one, two] = [await world.sealed(MEASURED), await world.sealed(MEASURED)];
    expect(two.measures).not.toEqual(one.measures);
    expect(two.openings).not.toEqual(one.openings);
  });

  it('are no one else’s to read', async () => {
    const said = await world.sealed(MEASURED);
    expect(await codeOf(opened(said, 'nobody'))).toBe('openings-not-for-me');
  });

  it('that are not what is committed to, or in other classes, are refused', async () => {
    const said = await world.sealed(MEASURED);
    const { measures } = await world.sealed({ ...MEASURED, rowsOut: 6 });
    expect(await codeOf(opened({ ...said, measures }))).toBe('opening-mismatch');
    for (const name of Object.keys(said.classes) as (keyof Measures)[]) {
      const classes = { ...said.classes, [name]: said.classes[name] + 1 };
      expect(await codeOf(opened({ ...said, classes }))).toBe('measures-differ');
    }
    const openings = said.openings.map((byte, at) => (at === 30 ? byte ^ 1 : byte));
    expect(await codeOf(opened({ ...said, openings }))).not.toBe('opened');
  });
});
