// SPDX-License-Identifier: Apache-2.0
// The world that the demo plays in: three organisations with their keys and SIMULATED hardware, a
// charter, the ledger, a gateway for each, three keepers that hold a group key, and a worker.
// Everything goes through the same code as the commands. Tests and benches raise the same world.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdminClient } from '@cloister/api';
import { createOperator, createOrg, readOperator, readOrg } from '@cloister/gateway/home';
import { adminOf } from '../admin-client.ts';
import {
  type CharterFile,
  draftCharter,
  formatCharterFile,
  readCharterFile,
} from '../charter-file.ts';
import { epochEnded } from '../epoch-ended.ts';
import { cliError } from '../errors.ts';
import { prepareGateway } from '../gateway-home.ts';
import {
  cardPath,
  createHardware,
  type MachineMake,
  readCard,
  simulatedCollateral,
} from '../hardware.ts';
import { isPassing } from '../patience.ts';
import { startKeeper, startWorker } from '../start-node.ts';
import { CAST, type MemberId, type Role, WORKER_MAKE } from './cast.ts';
import type { Report } from './report.ts';
import { freePorts, type Stage } from './stage.ts';

const WAIT_MS = 60_000;
const POLL_MS = 50;

export interface WorldOptions {
  readonly folder: string;
  readonly stage: Stage;
  readonly report: Report;
  /** Makes of keepers that differ from the cast's. */
  readonly makes?: Readonly<Partial<Record<MemberId, MachineMake>>>;
  /** Keepers that are started by something else than `startKeeper`. */
  readonly keeperStarts?: Readonly<Partial<Record<MemberId, typeof startKeeper>>>;
}

/** Running: addresses, the organisations' folders and their admin APIs. */
export interface World extends WorldOptions {
  readonly homes: Readonly<Record<MemberId, string>>;
  readonly charter: CharterFile;
  readonly gateways: readonly string[];
  readonly keepers: readonly string[];
  readonly admins: Admins;
}

export type Admins = Readonly<Record<MemberId, AdminClient>>;

type Places = WorldOptions & Pick<World, 'homes'>;

/** The make of the keeper that a member operates in this world. */
function keeperMake(world: WorldOptions, role: Role): MachineMake {
  return world.makes?.[role.id] ?? role.keeper;
}

/** Raises everything but the worker; the processes stay on the stage for the caller to stop. */
export async function raiseWorld(options: WorldOptions): Promise<World> {
  const pairs = CAST.map((role) => [role.id, join(options.folder, role.id)]);
  const places: Places = { ...options, homes: Object.fromEntries(pairs) as World['homes'] };
  const charter = await found(places);
  const gateways = await startMembers(places, charter);
  const admins = await adminsOf(places);
  const keepers = await startKeepers(places, { charter, gateways, admins });
  return { ...places, charter, gateways, keepers, admins };
}

/** Starts the bank's worker and answers its address. */
export async function raiseWorker(
  world: World,
  options: { name?: string } & Pick<
    Parameters<typeof startWorker>[0],
    'scratch' | 'patienceMs' | 'limits' | 'machineOf'
  > &
    Partial<Pick<World, 'keepers'>> = {},
): Promise<string> {
  const { homes, stage, charter, gateways, keepers } = world;
  const { name = 'worker', ...more } = options;
  const place = { host: '127.0.0.1', port: 0 };
  const home = homes.bank;
  const common = { home, make: WORKER_MAKE, charter, gateways, keepers };
  const node = await stage.launch(name, (log) =>
    startWorker({ ...common, ...place, ...more, log }),
  );
  return String(node.ready['address']);
}

async function found(world: Places): Promise<CharterFile> {
  const { homes, report, folder } = world;
  await report.step(
    'keys',
    'three organisations make their keys and enrol SIMULATED hardware',
    async () => {
      for (const role of CAST) {
        await createOrg(homes[role.id], { id: role.id, name: role.name });
        await createOperator(homes[role.id], {
          id: `${role.id}-ops`,
          name: `${role.name} operations`,
        });
        await createHardware(homes[role.id], keeperMake(world, role));
      }
      await createHardware(homes.bank, WORKER_MAKE);
    },
  );
  const path = join(folder, 'charter.json');
  return report.step(
    'charter',
    'they agree on a charter',
    async () => {
      const cards = [
        ...CAST.map((role) => cardPath(homes[role.id], keeperMake(world, role))),
        cardPath(homes.bank, WORKER_MAKE),
      ];
      const file = await draftCharter({
        name: 'Demo consortium',
        members: await Promise.all(CAST.map((role) => readOrg(homes[role.id]))),
        operators: await Promise.all(CAST.map((role) => readOperator(homes[role.id]))),
        hardware: await Promise.all(cards.map(readCard)),
        keepers: { seats: 3, threshold: 2, vendors: 2 },
      });
      await writeFile(path, formatCharterFile(file));
      return readCharterFile(path);
    },
    (file) => `${file.body.witnesses.quorum} of 3 witnesses, 2 of 3 keepers of different makes`,
  );
}

async function startMembers(world: Places, charter: CharterFile): Promise<string[]> {
  const { homes, stage, report, folder } = world;
  return report.step(
    'gateways',
    'the ledger and a gateway for each start; all founders sign',
    async () => {
      const ports = await freePorts(CAST.length);
      const urls = ports.map((port) => `http://127.0.0.1:${port}`);
      const charterPath = join(folder, 'charter.json');
      const place = ['--folder', join(folder, 'ledger'), '--port', '0'];
      const ledger = await stage.start('ledger', [
        'ledger',
        'serve',
        '--charter',
        charterPath,
        ...place,
      ]);
      await Promise.all(
        CAST.map(async (role, i) => {
          const others = CAST.map((other, j) => [other.id, urls[j] as string] as const);
          const peers = Object.fromEntries(others.filter(([id]) => id !== role.id));
          const address = { host: '127.0.0.1', port: ports[i] as number };
          await prepareGateway(homes[role.id], charter, {
            ...address,
            ledger,
            peers,
            tickSeconds: 5,
          });
          await stage.start(`gateway-${role.id}`, ['gateway', 'serve', '--home', homes[role.id]]);
        }),
      );
      const admins = await adminsOf(world);
      for (const admin of Object.values(admins)) {
        await until(
          'the charter to be in force',
          async () => (await admin.status()).ledger.clock > 0,
        );
      }
      return urls;
    },
  );
}

async function startKeepers(
  world: Places,
  of: { charter: CharterFile; gateways: readonly string[]; admins: Admins },
): Promise<string[]> {
  const { homes, stage, report } = world;
  const { charter, gateways, admins } = of;
  await report.step('collateral', 'they publish the collateral of their hardware', async () => {
    for (const role of CAST) {
      await publishCollateral(admins[role.id], homes[role.id], keeperMake(world, role));
    }
    await publishCollateral(admins.bank, homes.bank, WORKER_MAKE);
  });
  const addresses = await report.step(
    'keepers',
    'three keepers attest and join',
    () =>
      Promise.all(
        CAST.map(async (role) => {
          const place = { host: '127.0.0.1', port: 0 };
          const home = homes[role.id];
          const make = keeperMake(world, role);
          const keeper = { home, make, charter, gateways, ...place };
          const node = await stage.launch(`keeper-${role.id}`, (log) =>
            (world.keeperStarts?.[role.id] ?? startKeeper)({ ...keeper, log }),
          );
          return String(node.ready['address']);
        }),
      ),
    () => CAST.map((role) => `${role.id} on ${keeperMake(world, role)}`).join(', '),
  );
  await report.step(
    'epoch',
    'the keepers make a group key that never exists whole',
    async () => {
      const { id } = await admins.insurer.formEpoch();
      for (const admin of Object.values(admins)) {
        await until('the group key', async () => {
          const { epoch, endedEpoch } = await admin.status();
          if (endedEpoch?.id === id) throw epochEnded(endedEpoch);
          return epoch?.id === id;
        });
      }
      return admins.insurer.status();
    },
    (status) => `${status.epoch?.groupKey.slice(0, 16)}...`,
  );
  return addresses;
}

async function publishCollateral(
  admin: AdminClient,
  home: string,
  make: MachineMake,
): Promise<void> {
  const bytes = await simulatedCollateral(home, make, Date.now());
  if (bytes !== undefined) await admin.addCollateral(bytes);
}

async function adminsOf(world: Places): Promise<Admins> {
  const pairs = await Promise.all(
    CAST.map(async (role) => [role.id, await adminOf(world.homes[role.id])]),
  );
  return Object.fromEntries(pairs) as Admins;
}

/** Waits for something that others bring about; what is unavailable meanwhile is asked again. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_MS;
  let last: unknown;
  while (Date.now() < end) {
    try {
      if (await holds()) return;
    } catch (error) {
      if (!isPassing(error)) throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw cliError('demo-timed-out', `waited ${WAIT_MS / 1_000} s for ${what}`, { cause: last });
}
