// SPDX-License-Identifier: Apache-2.0
// The machines in an operator's folder. Each make says in its own file (machines/) how one is made,
// loaded and measured; a public card says what a charter draft needs of it. All of them are
// SIMULATED here: a minted make's root file, or a software TPM's folder, can attest to anything.
//
//   hardware/<make>.json   the card: kind, family, root document, hardware identity, registers
//   hardware/<make>...     what the make keeps to itself                    (mode 0600 or 0700)
import { join } from 'node:path';
import type { MAKES, Platform } from '@cloister/attester';
import { fromBase64, fromHex, toBase64, toHex, utf8 } from '@cloister/core';
import { makeFolderDurably, writeDurably } from '@cloister/core/node';
import { encodeRoot } from '@cloister/evidence';
import { enrolHardware, readOperator } from '@cloister/gateway/home';
import { z } from 'zod';
import { cliError } from './errors.ts';
import type { Machine, MachineOptions, MadeMachine } from './machines/machine.ts';
import { mintedMachine } from './machines/minted.ts';
import { tpmMachine } from './machines/tpm.ts';
import { readJson } from './named-files.ts';

const MACHINES = {
  sgx: mintedMachine('sgx'),
  snp: mintedMachine('snp'),
  optee: mintedMachine('optee'),
  tpm: tpmMachine,
} as const satisfies Record<keyof typeof MAKES | 'tpm', Machine>;

export type MachineMake = keyof typeof MACHINES;

export const MACHINE_MAKES = Object.keys(MACHINES) as [MachineMake, ...MachineMake[]];

export const hardwareCard = z.strictObject({
  make: z.enum(MACHINE_MAKES),
  operator: z.string(),
  tee: z.string(),
  family: z.string(),
  /** The encoded root document, base64: public. */
  root: z.string(),
  /** The hardware identity, hexadecimal. */
  id: z.string(),
  /** Registers of a fresh boot, by index, where programs are measured on top of them. */
  registers: z.record(z.string().regex(/^\d{1,2}$/), z.string().regex(/^[0-9a-f]{64}$/)).optional(),
});

export type HardwareCard = z.infer<typeof hardwareCard>;

/** @throws CodedError `option-malformed` */
export function parseMake(text: string): MachineMake {
  const found = MACHINE_MAKES.find((make) => make === text);
  if (found !== undefined) return found;
  const message = `${text} is no make of hardware: wanted ${MACHINE_MAKES.join(', ')}`;
  throw cliError('option-malformed', message);
}

/** Makes one machine, enrols it with the operator; answers its card and what was proved of it. */
export async function createHardware(
  home: string,
  make: MachineMake,
  options: MachineOptions = {},
): Promise<{ readonly card: HardwareCard; readonly proved: readonly string[] }> {
  const operator = await readOperator(home);
  const folder = join(home, 'hardware');
  await makeFolderDurably(folder);
  const made: MadeMachine = await MACHINES[make].create(folder, operator.id, options);
  const { root, registers } = made;
  const card: HardwareCard = {
    make,
    operator: operator.id,
    tee: MACHINES[make].tee,
    family: root.family,
    root: toBase64(encodeRoot(root)),
    id: toHex(made.id),
    ...(registers === undefined ? {} : { registers: registersJson(registers) }),
  };
  await writeDurably(cardPath(home, make), utf8(`${JSON.stringify(card, null, 2)}\n`));
  await enrolHardware(home, { tee: card.tee, id: card.id });
  return { card, proved: made.proved };
}

export function cardPath(home: string, make: MachineMake): string {
  return join(home, 'hardware', `${make}.json`);
}

/** @throws CodedError `hardware-missing` */
export async function readCard(path: string): Promise<HardwareCard> {
  const parsed = hardwareCard.safeParse(await readJson(path));
  if (parsed.success) return parsed.data;
  const message = `${path} is no hardware card (cloister hardware create makes one)`;
  throw cliError('hardware-missing', message);
}

/** The machine of a card in this folder, to load a program on. */
export function platformOf(home: string, card: HardwareCard): Promise<Platform> {
  const about = { id: fromHex(card.id), registers: registersOf(card) };
  return MACHINES[card.make].platform(join(home, 'hardware'), about);
}

/** What a charter pins for a program (its encoded manifest) on the machine of a card. */
export function measurementOn(card: HardwareCard, program: Uint8Array): Uint8Array {
  return MACHINES[card.make].measurement(program, registersOf(card));
}

/** Fresh collateral for a simulated machine; undefined for makes that take none. */
export function simulatedCollateral(
  home: string,
  make: MachineMake,
  at: number,
): Promise<Uint8Array | undefined> {
  return MACHINES[make].collateral(join(home, 'hardware'), at);
}

/** The root document of a card, as the bytes that its digest in the charter names. */
export function rootDocument(card: HardwareCard): Uint8Array {
  return fromBase64(card.root);
}

function registersJson(registers: ReadonlyMap<number, Uint8Array>): Record<string, string> {
  return Object.fromEntries([...registers].map(([i, value]) => [String(i), toHex(value)]));
}

function registersOf(card: HardwareCard): ReadonlyMap<number, Uint8Array> {
  const entries = Object.entries(card.registers ?? {});
  return new Map(entries.map(([i, value]) => [Number(i), fromHex(value)] as const));
}
