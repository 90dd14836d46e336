// SPDX-License-Identifier: Apache-2.0
// An upgrade without downtime, with real processes: worker and keepers go one by one from this
// build to another while tasks run. An owner who has not accepted the new build is computed on by
// the old one, and no seat of the running key goes to the new one before it has. What is retired is
// out at the next epoch; a third build gets no seat, and no run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureProgram } from '@cloister/attester';
import { toHex } from '@cloister/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { CAST, type MemberId, WORKER_MAKE } from '../../src/demo/cast.ts';
import { until } from '../../src/demo/world.ts';
import {
  cardPath,
  type HardwareCard,
  type MachineMake,
  measurementOn,
} from '../../src/hardware.ts';
import { startKeeper, startWorker } from '../../src/start-node.ts';
import { anotherBuild } from '../another-build.ts';
import { cloister, type Theatre } from '../theatre.ts';

const ALL = 'SELECT count(*) AS people FROM patients h JOIN accounts b ON b.person = h.person';
const OTHERS = 'SELECT count(*) AS people FROM patients h JOIN policies i ON i.person = h.person';
const WITHOUT_BANK = { patients: 'hospital/patients', policies: 'insurer/policies' };

let theatre: Theatre;
let builds: Record<'b' | 'c', string>;
let encoded: Record<'keeper' | 'worker', Record<'a' | 'b' | 'c', Uint8Array>>;

function makeOf(member: MemberId): MachineMake {
  return CAST.find((role) => role.id === member)?.keeper ?? 'sgx';
}

function cardOf(member: MemberId, make: MachineMake): HardwareCard {
  const text = readFileSync(cardPath(theatre.world.homes[member], make), 'utf8');
  return JSON.parse(text) as HardwareCard;
}

/** `environment=measurement` of a build's keeper on a member's machine. */
function keeperIs(member: MemberId, build: 'a' | 'b'): string {
  const card = cardOf(member, makeOf(member));
  return named(`${card.operator}-${card.make}-keeper`, card, encoded.keeper[build]);
}

function workerIs(build: 'a' | 'b' | 'c'): string {
  const card = cardOf('bank', WORKER_MAKE);
  return named(`${card.operator}-${card.make}-worker`, card, encoded.worker[build]);
}

function named(environment: string, card: HardwareCard, program: Uint8Array): string {
  return `${environment}=${toHex(measurementOn(card, program))}`;
}

/** A measurement as refusals name it. */
function shortly(named: string): string {
  return named.slice(named.indexOf('=') + 1).slice(0, 16);
}

async function charter(member: MemberId, ...args: string[]) {
  const home = theatre.world.homes[member];
  const [sub, ...rest] = args;
  const said = await cloister(['--json', 'charter', sub as string, '--home', home, ...rest]);
  const parse = (text: string) => (text === '' ? undefined : JSON.parse(text));
  return { exit: said.exit, done: parse(said.stdout), error: parse(said.stderr)?.error };
}

/** Proposed by the first member, signed by the others; answers the amendment's id. */
async function amend(members: readonly MemberId[], ...flags: string[]): Promise<string> {
  const [author, ...others] = members as [MemberId, ...MemberId[]];
  const { exit, done, error } = await charter(author, 'amend', ...flags);
  expect(exit, JSON.stringify(error)).toBe(0);
  const { id, version } = done.amendment as { id: string; version: number };
  for (const member of others) {
    await until('the amendment', async () => {
      return (await theatre.admin(member).charter()).open.some((one) => one.id === id);
    });
    expect((await charter(member, 'sign', id)).error).toBeUndefined();
  }
  for (const admin of Object.values(theatre.world.admins)) {
    await until('the charter', async () => (await admin.charter()).version === version);
  }
  return id;
}

/** The member's keeper stops, and one of another build takes its machine and its address. */
async function startAgain(member: MemberId, build?: string): Promise<void> {
  const { homes, charter: file, gateways, stage, keepers } = theatre.world;
  const address = keepers[CAST.findIndex((role) => role.id === member)] as string;
  await stage.crash(address);
  const place = { host: '127.0.0.1', port: Number(new URL(address).port) };
  const options = { home: homes[member], make: makeOf(member), charter: file, gateways, ...place };
  const of = build === undefined ? {} : { build };
  await stage.launch(`keeper-${member}`, (log) => startKeeper({ ...options, ...of, log }));
}

async function newWorker(build: 'b' | 'c'): Promise<string> {
  const { homes, charter: file, gateways, keepers, stage } = theatre.world;
  const common = { home: homes.bank, make: WORKER_MAKE, charter: file, gateways, keepers };
  const place = { host: '127.0.0.1', port: 0, scratch: theatre.scratch };
  const node = await stage.launch(`worker-${build}`, (log) =>
    startWorker({ ...common, ...place, build: builds[build], log }),
  );
  return String(node.ready['address']);
}

async function rotate(...options: string[]) {
  const home = theatre.world.homes.insurer;
  const said = await cloister(['--json', 'keeper', 'rotate', '--home', home, ...options], {
    limitMs: 60_000,
  });
  const parse = (text: string) => (text === '' ? undefined : JSON.parse(text));
  return { exit: said.exit, done: parse(said.stdout), error: parse(said.stderr)?.error };
}

export function upgrade(opened: () => Theatre): void {
  let all: string;
  let others: string;
  let workerB: string;
  let widening: string;

  beforeAll(async () => {
    theatre = opened();
    const folder = join(theatre.folder, 'builds');
    builds = { b: anotherBuild(join(folder, 'b'), 'b'), c: anotherBuild(join(folder, 'c'), 'c') };
    const of = async (role: 'keeper' | 'worker') => ({
      a: (await measureProgram({ role })).encoded,
      b: (await measureProgram({ role, root: builds.b })).encoded,
      c: (await measureProgram({ role, root: builds.c })).encoded,
    });
    encoded = { keeper: await of('keeper'), worker: await of('worker') };
    ({ task: all } = await theatre.propose(ALL));
    await theatre.approve(all, { runs: 5 });
    ({ task: others } = await theatre.propose(OTHERS, { inputs: WITHOUT_BANK }));
    await theatre.approve(others, { runs: 5 });
    await amend(['insurer', 'hospital', 'bank'], '--faulty', '0', '--quorum', '2');
    workerB = await newWorker('b');
  });

  describe('another build', () => {
    it('is nobody’s until the charter takes it', async () => {
      const status = await theatre.run(others, workerB);
      expect(status).toMatchObject({ state: 'failed', code: 'join-measurement-unknown' });
    });

    it('is said to widen, and to reach no owner who has not signed', async () => {
      const flags = CAST.flatMap(({ id }) => ['--add-measurement', keeperIs(id, 'b')]);
      const more = [...flags, '--add-measurement', workerIs('b')];
      const { done } = await charter('insurer', 'amend', ...more, '--dry-run');
      const effects: string[] = done.amendment.changes.map((one: { effect: string }) => one.effect);
      expect(new Set(effects)).toEqual(new Set(['widens']));
      expect(done.amendment).toMatchObject({ id: null, wanted: 2, effects: { gains: true } });
      widening = await amend(['insurer', 'hospital'], ...more);
    });

    it('computes for owners who signed, the old one for everybody', async () => {
      expect(await theatre.run(others, workerB)).toMatchObject({ state: 'released' });
      const refused = await theatre.run(all, workerB);
      expect(refused).toMatchObject({ state: 'failed', code: 'join-owner-not-accepted' });
      expect(await theatre.run(all)).toMatchObject({ state: 'released' });
    });

    it('aborts where it is a third, and is told what was wanted and what came', async () => {
      const running = theatre.run(others, workerB);
      const third = await theatre.run(others, await newWorker('c'));
      expect(third).toMatchObject({ state: 'failed', code: 'join-measurement-unknown' });
      const [came, ...wanted] = (['c', 'a', 'b'] as const).map((build) => shortly(workerIs(build)));
      expect(third.sentence).toContain(`got ${came} in `);
      expect(third.sentence).toContain(`wanted ${wanted.join(' or ')}`);
      expect(await running).toMatchObject({ state: 'released' });
    });

    it('takes no seat of the running key before its owners have signed', async () => {
      await startAgain('insurer', builds.b);
      expect((await rotate()).error).toMatchObject({
        code: expect.stringMatching(/event-void|epoch-owner-not-accepted/),
      });
      expect(await theatre.run(all)).toMatchObject({ state: 'released' });
      expect((await charter('bank', 'sign', widening)).error).toBeUndefined();
      const { done, error } = await rotate();
      expect(error).toBeUndefined();
      expect(done.plan.kind).toBe('reshare');
    });

    it('takes the seats one by one, while tasks run', async () => {
      expect(await theatre.run(all, workerB)).toMatchObject({ state: 'released' });
      await startAgain('hospital', builds.b);
      expect(await theatre.run(all)).toMatchObject({ state: 'released' });
      expect((await rotate()).done.plan.kind).toBe('reshare');
    });
  });

  describe('the old build', () => {
    it('once retired, is out at the next epoch, and its seat counts no more', async () => {
      const flags = [
        ...CAST.flatMap(({ id }) => ['--retire-measurement', keeperIs(id, 'a')]),
        ...['--retire-measurement', workerIs('a')],
      ];
      const { done } = await charter('hospital', 'amend', ...flags, '--dry-run');
      expect(done.amendment).toMatchObject({
        wanted: 2,
        effects: { lost: [{ operator: 'bank-ops' }], keyLost: false },
      });
      await amend(['hospital', 'insurer'], ...flags);
      expect(await theatre.run(all)).toMatchObject({ code: 'join-measurement-unknown' });
      const running = theatre.run(others, workerB);
      await startAgain('bank', builds.c);
      const third = await rotate('--wait', '0');
      expect(third.exit).not.toBe(0);
      expect(third.error.message).toMatch(/measurement-not-allowed/);
      expect(await running).toMatchObject({ state: 'released' });
      await startAgain('bank', builds.b);
      const { done: last, error } = await rotate();
      expect(error).toBeUndefined();
      expect(last.plan.leaving).toMatchObject([{ operator: 'bank-ops' }]);
      expect(await theatre.run(others, workerB)).toMatchObject({ state: 'released' });
    });
  });
}
