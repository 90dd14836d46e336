// SPDX-License-Identifier: Apache-2.0
// A gateway that says "accepted" and appends nothing: a keeper that asks it first is neither kept
// out nor shut out, its event lands through another gateway within the phase's deadline.
import type { AppendAnswer } from '@cloister/api';
import { type EventKind, eventId } from '@cloister/contract';
import { decodeCbor, parseCose, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { type Committee, OPERATORS, until } from '../testing/committee.ts';
import { committeeOfTest } from '../testing/committee-of-test.ts';
import { MemoryLedger } from '../testing/ledger.ts';

/** Well above what a liar costs here, and a deadline that is real time in these tests. */
const PHASE_MS = 8_000;
function kindOf(event: Uint8Array): EventKind {
  const outer = parseCose(event);
  if (outer.claims.sub === 'operator-join') return 'join';
  const [, , kind] = decodeCbor(outer.payload) as readonly unknown[];
  return kind as EventKind;
}

/** Drops events of one kind, and says of each what `claim` says. */
class Dropper extends MemoryLedger {
  dropped = 0;
  drops: EventKind | 'any' = 'any';
  claim: Pick<AppendAnswer, 'seq' | 'status' | 'code'> = { seq: 10 ** 9, status: 'accepted' };

  override append(event: Uint8Array): Promise<AppendAnswer> {
    if (this.drops !== 'any' && kindOf(event) !== this.drops) return super.append(event);
    this.dropped += 1;
    return Promise.resolve({ ...this.claim, id: toHex(eventId(event, nodeCrypto)) });
  }
}

/** Three keepers, of which the insurer's asks the dropper first and an honest gateway second. */
function keepersBehind(committee: Committee, dropper: Dropper) {
  const peers = [dropper, committee.ledger];
  return Object.keys(OPERATORS).map((id) =>
    committee.keeper(id, id === 'insurer' ? { peers } : {}),
  );
}

describe('a gateway that drops', () => {
  it.each<EventKind>(['commit', 'reveal', 'ack'])(
    'the %s that it accepted does not get the keeper excluded',
    async (kind) => {
      const committee = await committeeOfTest({ epochPhaseMs: PHASE_MS });
      const dropper = new Dropper(committee.world);
      dropper.drops = kind;
      const keepers = keepersBehind(committee, dropper);
      await Promise.all(keepers.map((keeper) => keeper.start()));
      const began = performance.now();
      const id = toHex(await committee.proposeEpoch(keepers));
      const epoch = () => committee.world.state.epochs.get(id);
      await until(() => epoch()?.status === 'active', 'an active epoch', PHASE_MS);
      expect(performance.now() - began).toBeLessThan(PHASE_MS);
      expect(dropper.dropped).toBeGreaterThan(0);
      await committee.world.tickAll((epoch()?.deadline ?? 0) + 1);
      const { joins } = committee.world.state;
      expect([...joins.values()].map(({ excluded }) => excluded)).toEqual([null, null, null]);
    },
  );

  it.each<[string, Dropper['claim']]>([
    ['a position far ahead', { seq: 10 ** 9, status: 'accepted' }],
    ['a position of another event', { seq: 0, status: 'accepted' }],
    ['that it is void there', { seq: 0, status: 'void', code: 'join-repeated' }],
  ])('a join, and claims %s, does not keep the keeper out', async (_what, claim) => {
    const committee = await committeeOfTest({ epochPhaseMs: PHASE_MS });
    const dropper = new Dropper(committee.world);
    dropper.claim = claim;
    const [keeper] = keepersBehind(committee, dropper);
    await keeper?.start();
    expect(keeper?.state).toBe('joined');
    expect(dropper.dropped).toBe(1);
  });

  it('is asked last once it has lied, so that a lie costs its time once', async () => {
    const committee = await committeeOfTest({ epochPhaseMs: PHASE_MS });
    const dropper = new Dropper(committee.world);
    const keepers = keepersBehind(committee, dropper);
    await Promise.all(keepers.map((keeper) => keeper.start()));
    const id = toHex(await committee.proposeEpoch(keepers));
    const epoch = () => committee.world.state.epochs.get(id);
    await until(() => epoch()?.status === 'active', 'an active epoch', PHASE_MS);
    expect(dropper.dropped).toBe(1);
  });

  it('is not waited for when the keeper is to stop', async () => {
    const committee = await committeeOfTest({ epochPhaseMs: PHASE_MS });
    const dropper = new Dropper(committee.world);
    const keeper = committee.keeper('bank', { peers: [dropper], options: { patienceMs: 60_000 } });
    const started = keeper.start();
    await until(() => dropper.dropped > 0, 'the first lie');
    const began = performance.now();
    await keeper.stop();
    await expect(started).rejects.toMatchObject({ code: 'node-stopping' });
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
