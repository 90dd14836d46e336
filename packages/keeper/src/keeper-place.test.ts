// SPDX-License-Identifier: Apache-2.0
// A keeper's place in the charter: it waits for it, and says so where there is none.
import { toHex } from '@cloister/core';
import { amending } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { hardwareOf, KEEPER_PROGRAM, OPERATORS, until } from '../testing/committee.ts';
import { committeeOfTest } from '../testing/committee-of-test.ts';

describe('a keeper that cannot join', () => {
  it('says so when the charter has no place for it', async () => {
    const committee = await committeeOfTest();
    const [environment, operator] = ['keeper-sgx', 'stranger'];
    const keeper = committee.keeper('bank', { options: { environment, patienceMs: 300 } });
    await expect(keeper.start()).rejects.toMatchObject({ code: 'environment-mismatch' });
    const stranger = committee.keeper('bank', { options: { operator, patienceMs: 300 } });
    await expect(stranger.start()).rejects.toMatchObject({ code: 'environment-mismatch' });
  });

  it('waits for the amendment that makes its place, which it is not shown at first', async () => {
    const committee = await committeeOfTest();
    const { world } = committee;
    const environment = 'keeper-next';
    const keeper = committee.keeper('bank', { duties: { environment }, options: { environment } });
    const starting = keeper.start();
    await until(() => keeper.follower.charter.version === 1 && keeper.follower.size > 0, 'a head');
    await amending.amend(world, (draft) => {
      const own = draft.environments.filter(({ id }) => id === `keeper-${OPERATORS['bank']}`);
      draft.environments = [
        ...draft.environments,
        ...own.map((one) => ({ ...one, id: environment })),
      ];
    });
    await starting;
    expect(world.state.joins.get(toHex(keeper.join as Uint8Array))?.body.environment).toBe(
      environment,
    );
  });

  it('says so when its operator does not sign', async () => {
    const committee = await committeeOfTest();
    const keeper = committee.keeper('bank', { options: { operator: 'hospital' } });
    await expect(keeper.start()).rejects.toMatchObject({ code: 'join-refused' });
  });

  it('says so when the ledger holds its join void', async () => {
    const committee = await committeeOfTest();
    const hardware = { ...hardwareOf('optee', KEEPER_PROGRAM), hardware: new Uint8Array(32) };
    const keeper = committee.keeper('bank', { duties: { hardware } });
    await expect(keeper.start()).rejects.toMatchObject({
      code: 'join-void',
      message: expect.stringContaining('join-hardware-not-enrolled'),
    });
  });
});
