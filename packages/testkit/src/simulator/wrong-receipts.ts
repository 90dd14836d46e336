// SPDX-License-Identifier: Apache-2.0
// A worker for which keepers did open one run, and what it records beyond that: the receipts of
// this run in another one, altered, repeated, too few, over fewer columns, of keepers that hold no
// seat. For a mutant each leaves its repair: the receipts that keepers would have signed.
import {
  columnsDigest,
  type OpeningReceipt,
  readReceipt,
  type Said,
  type SignedReceipt,
  signReceipt,
} from '@cloister/contract';
import { equal, type Signer, toHex } from '@cloister/core';
import { MEASURED, namedBytes } from '../world/index.ts';
import type { Attacker } from './attacker.ts';
import { passing } from './endpoint.ts';
import { fromHexKey, type Stage } from './stage.ts';
import type { Task } from './truth.ts';

/** A run of the attacker's: its node, and the join that is on the ledger. */
export interface OwnRun {
  readonly node: Attacker;
  readonly join: Uint8Array;
}

interface Given {
  readonly stage: Stage;
  readonly task: Task;
  /** For which keepers opened, and the receipts that they gave. */
  readonly opened: OwnRun;
  readonly receipts: readonly (SignedReceipt & { readonly bytes: Uint8Array })[];
  /** For which nobody was asked. */
  readonly other: OwnRun;
}

/** What it records, with which receipts; what keepers would have signed in the place of these. */
interface Record {
  readonly of: OwnRun;
  readonly receipts: readonly (Uint8Array | Promise<Uint8Array>)[];
  /** Of the only input; those that were opened where absent. */
  readonly columns?: readonly number[];
  readonly epoch?: Uint8Array;
  readonly repair?: (receipt: OpeningReceipt) => OpeningReceipt;
}

const OPENED = [1];
/** For the next key, should there be one. */
const LOOK_MS = 400;
const LOOKS = 40;

const WAYS: Readonly<{ [guard: string]: (given: Given) => Record | undefined }> = {
  'receipt-run': ({ receipts, other }) => ({
    of: other,
    receipts: receipts.map(({ bytes }) => bytes),
    repair: (receipt) => ({ ...receipt, ...aboutRun(other) }),
  }),
  'receipt-signature': ({ stage, receipts, other }) => ({
    of: other,
    receipts: receipts.map((receipt) => altered(stage, receipt, aboutRun(other))),
    repair: (receipt) => ({ ...receipt, ...aboutRun(other) }),
  }),
  // One part of one of them, whatever it is.
  'one part': ({ stage, receipts, opened }) => {
    const [first, ...rest] = receipts;
    if (first === undefined) return undefined;
    const change = stage.network.pick(PARTS)(first);
    return {
      of: opened,
      receipts: [altered(stage, first, change), ...rest.map(({ bytes }) => bytes)],
    };
  },
  'receipt-columns': ({ stage, task, receipts, opened }) => ({
    of: opened,
    receipts: receipts.map(({ bytes }) => bytes),
    columns: task.columns,
    repair: (receipt) => {
      const { dataset, version } = task.dataset.body;
      const inputs = [{ dataset, version, columns: task.columns }];
      return { ...receipt, columns: columnsDigest(inputs, stage.shared.crypto) };
    },
  }),
  'receipt-seat': ({ stage, receipts, opened }) => {
    const stranger = outsider(stage) ?? opened.node.signer;
    const { genesis } = stage.world;
    const signed = receipts.map((receipt) => signReceipt(stranger, 'x', { genesis, receipt }));
    return { of: opened, receipts: signed };
  },
  'receipt-twice': ({ receipts: [first], opened }) => {
    return first && { of: opened, receipts: [first.bytes, first.bytes] };
  },
  'receipts-few': ({ receipts: [first], opened }) => {
    return first && { of: opened, receipts: [first.bytes] };
  },
  // A keeper vouches for what it did not open, beside those that opened something else.
  vouched: ({ stage, receipts, other }) => {
    const rogue = receipts.find(({ signer }) => !stage.honestKeepers.has(toHex(signer)));
    if (rogue === undefined) return undefined;
    const { bytes: _, signer: __, ...said } = rogue;
    const word = bySeat(stage, { ...said, ...aboutRun(other) });
    const signed = receipts.map((receipt) => (receipt === rogue ? word : receipt.bytes));
    return { of: other, receipts: signed };
  },
  'another epoch': ({ stage, receipts, opened }) => {
    const { activeEpoch, epochs } = stage.world.state;
    const failed = [...epochs.keys()].find((key) => key !== activeEpoch);
    const epoch = failed === undefined ? namedBytes('no', 'epoch') : fromHexKey(failed);
    const named = receipts.map((receipt) => altered(stage, receipt, { epoch }));
    return { of: opened, epoch, receipts: named };
  },
};

/** What was opened under one key, as if it had been under the next. */
const LATER: (typeof WAYS)[string] = ({ stage, receipts, opened }) => {
  const epoch = fromHexKey(stage.world.state.activeEpoch ?? '');
  return {
    of: opened,
    epoch,
    receipts: receipts.map(({ bytes }) => bytes),
    repair: (receipt) => ({ ...receipt, epoch }),
  };
};

/** One part as it might serve somebody. */
export const PARTS: readonly ((of: OpeningReceipt) => Partial<OpeningReceipt>)[] = [
  () => ({ parts: [namedBytes('other', 'collateral')] }),
  ({ size }) => ({ size: size + 1 }),
  ({ seat }) => ({ seat: (seat % 3) + 1 }),
  ({ roster }) => ({ roster: [...roster, ...roster] }),
  () => ({ columns: namedBytes('other', 'columns') }),
  () => ({ task: namedBytes('other', 'task') }),
  () => ({ run: namedBytes('other', 'run').slice(0, 16) }),
  () => ({ epoch: namedBytes('other', 'epoch') }),
];

/** Records one after the other, all in vain, as it should be. */
export async function recordWrongly(
  stage: Stage,
  of: { task: Task; opened: OwnRun; other: OwnRun },
): Promise<void> {
  const { genesis } = stage.world;
  const { crypto } = stage.shared;
  const read = of.opened.node.receipts.map(async (bytes) => {
    const receipt = await readReceipt(bytes, { genesis, crypto }).catch(passing);
    return receipt === undefined ? [] : [{ ...receipt, bytes }];
  });
  const given = { stage, ...of, receipts: (await Promise.all(read)).flat() };
  if (given.receipts.length === 0) return;
  for (const [way, record] of Object.entries(WAYS)) await put(given, way, record(given));
  const { network, world } = stage;
  const { state } = world;
  const before = state.activeEpoch;
  for (let looks = 0; state.activeEpoch === before || state.activeEpoch === null; looks++) {
    if (looks === LOOKS) return;
    await network.sleep(LOOK_MS);
  }
  await put(given, 'receipt-epoch', LATER(given));
}

async function put(given: Given, way: string, record: Record | undefined): Promise<void> {
  if (record === undefined) return;
  const { stage } = given;
  stage.network.count(`receipts: ${way}`);
  const { world, shared } = stage;
  const receipts = await Promise.all(record.receipts);
  const body = await usage(given, record, receipts);
  const { signer } = record.of.node;
  const bytes = await world.sign(signer, 'usage', body);
  if (stage.off(way) && record.repair !== undefined) {
    const right = given.receipts.map((one) => bySeat(stage, (record.repair as Change)(one)));
    const mended = { ...body, receipts: await Promise.all(right) };
    stage.repairs.set(shared.nameOf(bytes), {
      guard: way,
      bytes: await world.sign(signer, 'usage', mended),
    });
  }
  await stage.order(bytes);
}

type Change = (receipt: OpeningReceipt) => OpeningReceipt;

async function usage(
  { stage, task, receipts: [first] }: Given,
  { of, columns = OPENED, epoch }: Record,
  receipts: Uint8Array[],
): Promise<Said<'usage'>> {
  const { world } = stage;
  const { dataset, version } = task.dataset.body;
  return {
    task: task.id,
    run: of.node.run,
    join: of.join,
    epoch: epoch ?? (first as OpeningReceipt).epoch,
    inputs: [{ dataset, version, columns: [...columns], rows: 1_000_000, bytes: 1_000_000 }],
    result: namedBytes(of.node.name, 'result'),
    cage: 'process',
    ...(await world.sealed(MEASURED)),
    receipts,
  };
}

function aboutRun({ node, join }: OwnRun): Partial<OpeningReceipt> {
  return { run: node.run, roster: [join] };
}

/** Other parts under the signature of what the keeper said. */
async function altered(
  stage: Stage,
  { bytes, ...receipt }: SignedReceipt & { readonly bytes: Uint8Array },
  change: Partial<OpeningReceipt>,
): Promise<Uint8Array> {
  const { genesis } = stage.world;
  const signature = Uint8Array.from(bytes.subarray(-64));
  const keeper = { key: receipt.signer, sign: async () => signature };
  return signReceipt(keeper, nameOf(stage, receipt.signer), {
    genesis,
    receipt: { ...receipt, ...change },
  });
}

/** As the keeper of its seat would have signed it. */
function bySeat(stage: Stage, receipt: OpeningReceipt): Promise<Uint8Array> {
  const { genesis, state } = stage.world;
  const join = state.epochs.get(toHex(receipt.epoch))?.joins[receipt.seat - 1] ?? '';
  const name = nameOf(stage, state.joins.get(join)?.signer);
  return signReceipt(stage.shared.signer(name), name, { genesis, receipt });
}

function nameOf({ keepers, shared }: Stage, key: Uint8Array | undefined): string {
  return keepers.find((name) => equal(shared.signer(name).key, key ?? new Uint8Array())) ?? '';
}

/** A keeper that is no honest one and has no seat: excluded, or never let in. */
function outsider({ keepers, shared, honestKeepers, world }: Stage): Signer | undefined {
  const { epochs, activeEpoch, joins } = world.state;
  const seats = epochs.get(activeEpoch ?? '')?.joins ?? [];
  const seated = new Set(seats.map((key) => toHex(joins.get(key)?.signer ?? new Uint8Array())));
  return keepers
    .map((name) => shared.signer(name))
    .find(({ key }) => !honestKeepers.has(toHex(key)) && !seated.has(toHex(key)));
}
