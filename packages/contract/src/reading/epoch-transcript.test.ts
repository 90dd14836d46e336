// SPDX-License-Identifier: Apache-2.0
// An epoch's key computed again by somebody who was not there: it holds for a new key and through
// reshares, and nothing that n keepers together put on the ledger makes another key pass.
import { toHex } from '@cloister/core';
import { type FormedEpoch, type Node, World } from '@cloister/testkit/world';
import { type Curve, publicCurve } from '@cloister/threshold';
import { beforeAll, describe, expect, it } from 'vitest';
import { cloneState, type Epoch, type FoldState } from '../fold/state.ts';
import { type VerifiedEpochs, verifyEpochTranscript } from './epoch-transcript.ts';

const ZERO = new Uint8Array(32);

let world: World;
let first: FormedEpoch;
let second: FormedEpoch;
const key = (formed: FormedEpoch) => toHex(formed.id);

beforeAll(async () => {
  world = await World.create();
  first = await world.formEpoch();
  const [one, two] = first.nodes as [Node, Node, Node];
  second = await world.reshare(first, [await world.joinKeeper('bank'), one, two]);
});

describe('the transcript of an epoch', () => {
  it('gives the group key that is in force, for a new key and for one dealt again', () => {
    const made = verifyEpochTranscript(world.state, key(first));
    expect(toHex(made.groupKey)).toBe(toHex(first.groupKey));
    expect(made).toMatchObject({ dealers: [1, 2, 3], commitments: 2, lineage: [key(first)] });
    const again = verifyEpochTranscript(world.state, key(second));
    expect(toHex(again.groupKey)).toBe(toHex(first.groupKey));
    expect(again).toMatchObject({ dealers: [1, 2], lineage: [key(second), key(first)] });
    expect(toHex(again.transcript)).not.toBe(toHex(made.transcript));
  });

  it('is computed once for each epoch of its line, however long that is', async () => {
    const line = world.fork();
    const verified: VerifiedEpochs = new Map();
    let multiplied = 0;
    const curve: Curve = {
      base: (scalar) => publicCurve.base(scalar),
      multiply: (scalar, point) => {
        multiplied += 1;
        return publicCurve.multiply(scalar, point);
      },
    };
    const costOf = (epoch: FormedEpoch) => {
      multiplied = 0;
      const got = verifyEpochTranscript(line.state, key(epoch), { curve, verified });
      expect(got).toEqual(verifyEpochTranscript(line.state, key(epoch)));
      return multiplied;
    };
    const both = costOf(second);
    expect(both).toBeGreaterThan(0);
    expect(costOf(second)).toBe(0);
    let newest = second;
    for (let i = 0; i < 10; i++) {
      newest = await line.reshare(newest, newest.nodes);
      const more = costOf(newest);
      expect(more).toBeGreaterThan(0);
      expect(more).toBeLessThan(both);
    }
    expect(verified.size).toBeLessThanOrEqual(8);
  });

  it('is not taken from memory where the seats say otherwise', () => {
    const verified: VerifiedEpochs = new Map();
    verifyEpochTranscript(world.state, key(first), { verified });
    const state = cloneState(world.state);
    state.epochs.get(key(first))?.acks.delete(3);
    expect(() => verifyEpochTranscript(state, key(first), { verified })).toThrow(
      expect.objectContaining({ code: 'epoch-acknowledgements' }),
    );
  });

  it.each<[string, (epoch: Epoch, state: FoldState) => void, string]>([
    [
      'all seats acknowledge a key that the reveals do not give',
      (epoch, state) => {
        const other = state.epochs.get(key(first))?.reveals.get(1)?.reveal.slice(-129, -64);
        epoch.groupKey = other as Uint8Array;
        for (const ack of epoch.acks.values()) Object.assign(ack, { groupKey: other });
      },
      'epoch-acknowledgements',
    ],
    [
      'one seat acknowledges another transcript',
      (epoch) => Object.assign(epoch.acks.get(2) ?? {}, { transcript: ZERO }),
      'epoch-acknowledgements',
    ],
    ['one seat has not acknowledged', (epoch) => epoch.acks.delete(3), 'epoch-acknowledgements'],
    ['a dealer has not revealed', (epoch) => epoch.reveals.delete(2), 'epoch-not-complete'],
    [
      'a reveal is not what was committed',
      (epoch) => epoch.commits.set(1, ZERO),
      'commit-mismatch',
    ],
    [
      'a proof of knowledge does not hold',
      (epoch) => {
        const reveal = epoch.reveals.get(1)?.reveal as Uint8Array;
        reveal[reveal.length - 1] = (reveal.at(-1) as number) ^ 1;
      },
      'pok-invalid',
    ],
    [
      'the threshold is another',
      (epoch) => Object.assign(epoch, { threshold: 3 }),
      'reveal-other-threshold',
    ],
    [
      'it never became active',
      (epoch) => Object.assign(epoch, { groupKey: null }),
      'epoch-not-complete',
    ],
  ])('is refused when %s', (_what, change, code) => {
    const state = cloneState(world.state);
    change(state.epochs.get(key(first)) as Epoch, state);
    expect(() => verifyEpochTranscript(state, key(first))).toThrow(
      expect.objectContaining({ code }),
    );
    // What was wrong in the beginning is wrong in everything dealt again from it.
    const later = code === 'epoch-acknowledgements' ? undefined : key(second);
    if (later === undefined) return;
    expect(() => verifyEpochTranscript(state, later)).toThrow(expect.objectContaining({ code }));
  });

  it.each<[string, (epoch: Epoch) => void, string]>([
    [
      'names another origin',
      (epoch) => Object.assign(epoch, { from: null }),
      'reveal-other-origin',
    ],
    [
      'lacks a dealer, so that the old key does not come out',
      (epoch) => Object.assign(epoch, { dealers: [1] }),
      'reshare-group-key',
    ],
  ])('of a reshare is refused when it %s', (_what, change, code) => {
    const state = cloneState(world.state);
    change(state.epochs.get(key(second)) as Epoch);
    expect(() => verifyEpochTranscript(state, key(second))).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('of a reshare is refused when a dealer deals something other than its old share', () => {
    const state = cloneState(world.state);
    // Without dealer 3 in the old epoch the old shares, and so the constants, would be others.
    Object.assign(state.epochs.get(key(first)) as Epoch, { dealers: [1, 2] });
    expect(() => verifyEpochTranscript(state, key(second))).toThrow(
      expect.objectContaining({ code: 'reshare-constant' }),
    );
  });
});
