// SPDX-License-Identifier: Apache-2.0
// The life of a group key with real processes: a keeper is replaced and the key stays; keepers die
// below t and the key is given up; a new one is made and every gateway seals to it by itself; what
// was sealed before is used no more, and results are right all along.
import { GatewayClient, HttpJson } from '@cloister/api';
import { signEvent } from '@cloister/contract';
import { readKeys } from '@cloister/gateway/home';
import { beforeAll, describe, expect, it } from 'vitest';
import { CAST, type MemberId } from '../../src/demo/cast.ts';
import { until } from '../../src/demo/world.ts';
import { startKeeper } from '../../src/start-node.ts';
import { strays } from '../secrets.ts';
import { cloister, type Theatre } from '../theatre.ts';

const QUESTION = `SELECT h.smoker, count(*) AS people, avg(i.claims) AS mean_claims
FROM patients h JOIN policies i ON i.person = h.person JOIN accounts b ON b.person = h.person
GROUP BY h.smoker ORDER BY h.smoker`;

let theatre: Theatre;
/** An approved task, and what it gives. */
let task: string;
let answer: Record<string, unknown>[];

/** The keeper's process dies at once; it says goodbye to nobody. */
function crash(member: MemberId): Promise<void> {
  return theatre.world.stage.crash(addressOf(member));
}

/** Starts a keeper on the member's machine and address: another one, with a join of its own. */
async function startAgain(member: MemberId): Promise<void> {
  const { homes, charter, gateways, stage } = theatre.world;
  const make = CAST.find((role) => role.id === member)?.keeper ?? 'sgx';
  const port = Number(new URL(addressOf(member)).port);
  const place = { host: '127.0.0.1', port };
  const options = { home: homes[member], make, charter, gateways, ...place };
  await stage.launch(`keeper-${member}`, (log) => startKeeper({ ...options, log }));
}

function addressOf(member: MemberId): string {
  return theatre.world.keepers[CAST.findIndex((role) => role.id === member)] as string;
}

/**
 * Two of three witnesses say that it is later than it is, as if the time had passed, until `there`
 * is true: their gateways say the right time again as soon as they look.
 */
async function tickAhead(ms: number, there: () => Promise<boolean>): Promise<void> {
  const { world } = theatre;
  await until('the time', async () => {
    const time = Date.now() + ms;
    const told = (['insurer', 'hospital'] as const).map(async (member, i) => {
      const { witness } = await readKeys(world.homes[member]);
      const gateway = new GatewayClient(new HttpJson({ base: world.gateways[i] as string }));
      const { size } = await gateway.checkpoint();
      const of = { genesis: world.charter.genesis, kind: 'tick' as const, body: { time, size } };
      await gateway.append(await signEvent(witness, member, of));
    });
    await Promise.all(told);
    return there();
  });
}

async function rotate(...options: string[]) {
  const home = theatre.world.homes.insurer;
  const said = await cloister(['--json', 'keeper', 'rotate', '--home', home, ...options], {
    limitMs: 60_000,
  });
  const parse = (text: string) => (text === '' ? undefined : JSON.parse(text));
  return { exit: said.exit, done: parse(said.stdout), error: parse(said.stderr)?.error };
}

/** Sealed keys on the ledger, by dataset, as an owner's gateway has them. */
async function keysInForce() {
  const { epoch, ledger } = await theatre.admin('insurer').status();
  const datasets = await theatre.admin('insurer').datasets();
  return { size: ledger.size, groupKey: epoch?.groupKey, states: datasets.map((d) => d.groupKey) };
}

export function keyLife(opened: () => Theatre): void {
  beforeAll(async () => {
    theatre = opened();
    ({ task } = await theatre.propose(QUESTION));
    await theatre.approve(task, { runs: 4 });
    answer = await theatre.rows((await theatre.run(task)).run);
  });

  describe('a rotation', () => {
    it('with nothing to change does nothing, and says so', async () => {
      const { exit, done } = await rotate();
      expect(exit).toBe(0);
      expect(done.plan).toMatchObject({ kind: 'none', leaving: [] });
      expect(done.attempts).toEqual([]);
    });

    it('finds a dead keeper by the deadline, leaves it out and repeats by itself', async () => {
      const { size, ...unchanged } = await keysInForce();
      await crash('bank');
      const dry = await rotate('--dry-run', '--refresh');
      // Nobody knows yet that it is dead.
      expect(dry.done).toMatchObject({ kind: 'reshare', leaving: [], reseal: [], threshold: 2 });
      expect(await keysInForce()).toMatchObject(unchanged);
      const running = rotate('--refresh');
      const forming = await theatre.entry((e) => e.kind === 'epoch' && e.seq >= size);
      await until('the commits of the living', async () => {
        const { waitsFor } = await theatre.admin('insurer').attempt(forming.id);
        return waitsFor.length === 1 && waitsFor[0]?.operator === 'bank-ops';
      });
      await startAgain('bank');
      const { epochPhase } = theatre.world.charter.body.deadlines;
      await tickAhead(epochPhase + 60_000, async () => {
        return (await theatre.admin('insurer').attempt(forming.id)).status === 'ended';
      });
      const { exit, done } = await running;
      expect(exit).toBe(0);
      expect(done.attempts).toMatchObject([
        { status: 'ended', end: { code: 'deadline', faults: [{ operator: 'bank-ops' }] } },
        { status: 'active' },
      ]);
      expect(done.groupKey).toBe(unchanged.groupKey);
      expect(done.plan.leaving).toMatchObject([
        { operator: 'bank-ops', why: 'has joined anew, so its old share is gone' },
      ]);
      expect(done.plan.seats.filter((seat: { holds: boolean }) => seat.holds)).toHaveLength(2);
      expect(await keysInForce()).toMatchObject(unchanged);
      const checked = await theatre.admin('hospital').keepers();
      expect(checked).toMatchObject({ fault: null, ceremony: { groupKey: unchanged.groupKey } });
      expect(checked.ceremony?.lineage).toHaveLength(2);
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'released' });
      expect(await theatre.rows(status.run)).toEqual(answer);
    });

    it('below t gives the key up: only a new one helps, and all is sealed to it', async () => {
      const before = await keysInForce();
      await Promise.all([crash('bank'), crash('hospital')]);
      const lost = await theatre.run(task);
      expect(lost).toMatchObject({ state: 'failed', code: 'keepers-too-few' });
      await Promise.all([startAgain('bank'), startAgain('hospital')]);
      const refused = await rotate('--wait', '0');
      expect(refused).toMatchObject({ exit: 5, error: { code: 'epoch-holders-few' } });
      expect(refused.error.message).toMatch(/1 of these keepers.*2 are needed.*--new-key/);
      const { exit, done } = await rotate('--new-key');
      expect(exit).toBe(0);
      expect(done.groupKey).not.toBe(before.groupKey);
      expect(done.plan.reseal.map((r: { owner: string }) => r.owner).sort()).toEqual([
        'bank',
        'hospital',
        'insurer',
      ]);
      expect(done.resealing.every((o: { waiting: unknown[] }) => o.waiting.length === 0)).toBe(
        true,
      );
      for (const role of CAST) {
        await until('the seals', async () => {
          const datasets = await theatre.admin(role.id).datasets();
          return datasets.every((one) => one.retired || one.groupKey === 'current');
        });
      }
      expect(strays(theatre)).toEqual([]);
      // The same task, with the grants of before: what was sealed to the lost key opens for nobody.
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'released' });
      expect(await theatre.rows(status.run)).toEqual(answer);
    });
  });
}
