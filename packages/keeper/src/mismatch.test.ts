// SPDX-License-Identifier: Apache-2.0
// A joiner that is not what the charter wants gets no deal, whatever it is that differs: kind,
// measurement, version, TCB, debug, migratable, enrolment, root. The attempt ends on the ledger
// with what was wanted and what came, nobody has revealed or dealt, and the running epoch goes on
// opening. One committee holds a key all along; each case tries to take a seat in its reshare.
import { toHex, utf8 } from '@cloister/core';
import { createDevelopmentRoot } from '@cloister/evidence/mint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Committee,
  hardwareOf,
  KEEPER_PROGRAM,
  mintingHardware,
  OPERATORS,
  until,
  WORKER_PROGRAM,
} from '../testing/committee.ts';
import {
  addDataset,
  joinTask,
  openWith,
  proposeTask,
  type TestDataset,
  type TestTask,
  type TestWorker,
} from '../testing/task.ts';
import type { Keeper } from './keeper.ts';

const MINIMUM_SVN = 3;

let committee: Committee;
let dataset: TestDataset;
let task: TestTask;
let worker: TestWorker;
let holders: Keeper[];

beforeAll(async () => {
  committee = await Committee.create({ minimumSvn: { sgx: MINIMUM_SVN } });
  const current = mintingHardware('sgx', { svn: { isv: MINIMUM_SVN } });
  await committee.form({ insurer: { duties: { hardware: current } } });
  holders = [...committee.keepers];
  dataset = await addDataset(committee, 'hospital');
  task = await proposeTask(committee, [dataset]);
  worker = await joinTask(committee, task);
}, 20_000);

afterAll(() => committee.stop());

const good = { svn: { isv: MINIMUM_SVN } };
const strangeRoot = () => createDevelopmentRoot('sgx-dcap');

interface Case {
  readonly what: string;
  readonly operator: 'insurer' | 'hospital' | 'bank';
  readonly machine: () => ReturnType<typeof mintingHardware>;
  readonly before?: () => Promise<void>;
  readonly code: string;
  readonly wanted: RegExp;
  readonly got: RegExp;
  /** The worker is on the same platform: then it gets nothing any more either. */
  readonly workerFallsToo?: boolean;
}

const CASES: readonly Case[] = [
  {
    what: 'kind: SNP evidence in the place of SGX',
    operator: 'insurer',
    machine: () => ({ ...mintingHardware('sgx', good), quote: mintingHardware('snp', {}).quote }),
    code: 'kind-not-allowed',
    wanted: /sgx-dcap/,
    got: /sev-snp/,
  },
  {
    what: 'measurement: another program',
    operator: 'bank',
    machine: () => hardwareOf('optee', utf8('something else')),
    code: 'measurement-not-allowed',
    wanted: /^[0-9a-f]{64}/,
    got: /[0-9a-f]{64}/,
  },
  {
    what: 'version: a security version below the charter',
    operator: 'insurer',
    machine: () => mintingHardware('sgx', { svn: { isv: MINIMUM_SVN - 1 } }),
    code: 'svn-too-low',
    wanted: /3/,
    got: /2/,
  },
  {
    what: 'debug: memory that its host can read',
    operator: 'hospital',
    machine: () => mintingHardware('snp', { debug: true }),
    code: 'debug-refused',
    wanted: /never/,
    got: /true/,
  },
  {
    what: 'migratable: a guest that can be moved with its keys',
    operator: 'hospital',
    machine: () => mintingHardware('snp', { migratable: true }),
    code: 'migratable-refused',
    wanted: /never/,
    got: /true/,
  },
  {
    what: 'enrolment: evidence of another machine than its operator named',
    operator: 'hospital',
    machine: () => mintingHardware('snp', { hardwareId: new Uint8Array(64).fill(9) }),
    code: 'hardware-not-enrolled',
    wanted: /./,
    got: /0909/,
  },
  {
    what: 'root: a maker that the charter does not name',
    operator: 'insurer',
    machine: () => mintingHardware('sgx', { ...good, root: strangeRoot() }),
    code: 'root-untrusted',
    wanted: /sgx-dcap evidence/,
    got: /./,
  },
  {
    what: 'keys: evidence over other report data than the join',
    operator: 'bank',
    machine: () => {
      const real = hardwareOf('optee', KEEPER_PROGRAM);
      return { ...real, quote: () => real.quote(new Uint8Array(64).fill(7)) };
    },
    code: 'report-data-mismatch',
    wanted: /^[0-9a-f]{64}/,
    got: /0707/,
  },
  {
    what: 'signature: one byte of the evidence is another',
    operator: 'bank',
    machine: () => {
      const real = hardwareOf('optee', KEEPER_PROGRAM);
      const bent = (evidence: Uint8Array) =>
        evidence.map((byte, i) => (i === evidence.length - 5 ? byte ^ 1 : byte));
      return { ...real, quote: async (data) => bent(await real.quote(data)) };
    },
    code: 'signature-invalid',
    wanted: /op-tee evidence/,
    got: /./,
  },
  {
    what: 'TCB: a platform whose level has fallen',
    operator: 'insurer',
    machine: () => mintingHardware('sgx', good),
    before: () => committee.addCollateral('sgx', 2, { status: 'OutOfDate' }),
    code: 'tcb-status-not-accepted',
    wanted: /UpToDate/,
    got: /OutOfDate/,
    workerFallsToo: true,
  },
];

describe('a worker that differs from its task gets no key', () => {
  it.each<[string, () => ReturnType<typeof mintingHardware>, string]>([
    ['kind', () => mintingHardware('snp', {}, WORKER_PROGRAM), 'kind-not-allowed'],
    ['measurement', () => hardwareOf('sgx', utf8('something else')), 'measurement-not-allowed'],
    ['debug', () => mintingHardware('sgx', { debug: true }, WORKER_PROGRAM), 'debug-refused'],
    [
      'enrolment',
      () => mintingHardware('sgx', { hardwareId: new Uint8Array(16).fill(9) }, WORKER_PROGRAM),
      'hardware-not-enrolled',
    ],
    [
      'root',
      () => mintingHardware('sgx', { root: strangeRoot() }, WORKER_PROGRAM),
      'root-untrusted',
    ],
  ])('%s', async (_what, machine, code) => {
    const of = await proposeTask(committee, [dataset]);
    const { quote } = machine();
    const by = await joinTask(committee, of, { quote });
    expect(by.status).toBe('accepted');
    for (const keeper of holders.slice(0, 2)) {
      const asked = openWith(committee, { keepers: [keeper], task: of, worker: by, column: 3 });
      await expect(asked).rejects.toMatchObject({ code, kind: 'verification' });
      await keeper.settled();
    }
    const run = [...committee.world.state.runs.values()].find((r) => r.join === toHex(by.join));
    expect([...(run?.refusals.values() ?? [])]).toEqual([code, code]);
  });
});

describe('a joiner that differs from the charter gets no deal', () => {
  it.each(CASES)('$what', async (tried) => {
    const { operator, machine, before, code, wanted, got } = tried;
    await before?.();
    const running = committee.world.state.activeEpoch as string;
    const wrong = committee.keeper(operator, { duties: { hardware: machine() } });
    await wrong.start();
    const at = Object.keys(OPERATORS).indexOf(operator);
    const seats = holders.map((holder, i) => (i === at ? wrong : holder));
    const joins = seats.map((keeper) => keeper.join as Uint8Array);
    const from = holders[0]?.seat?.epoch as Uint8Array;
    const blobs = committee.blobs.blobs.size;
    const { world } = committee;
    const id = await world.nameEpoch({ joins, from }, 'bank');
    const epoch = () => world.state.epochs.get(toHex(id));
    await until(() => epoch()?.status === 'ended', 'the end of the attempt');
    expect(epoch()?.end).toMatchObject({ code, faults: [] });
    expect(epoch()?.end?.wanted).toMatch(wanted);
    expect(epoch()?.end?.got).toMatch(new RegExp(`^seat ${at + 1}: .*${got.source}`, 's'));
    expect(epoch()?.reveals.size).toBe(0);
    expect(committee.blobs.blobs.size).toBe(blobs);
    expect(world.state).toMatchObject({ activeEpoch: running, formingEpoch: null });
    expect(wrong.seat).toBeUndefined();
    expect(holders.map((keeper) => keeper.state)).toEqual(Array(3).fill('holding'));
    const opened = openWith(committee, { keepers: holders.slice(1), task, worker, column: 3 });
    if (tried.workerFallsToo === true) return expect(opened).rejects.toMatchObject({ code });
    expect(toHex(await opened)).toBe(toHex(dataset.keys.get(3) as Uint8Array));
  });
});
