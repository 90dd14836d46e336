// SPDX-License-Identifier: Apache-2.0
// Simulated hardware in an operator's folder. A make's development root stands for the maker, the
// factory and one machine at once: whoever holds it can mint evidence for anything, which is what
// SIMULATED means. The public card is what a charter draft takes.
//
//   hardware/<make>.root   the development root                       (mode 0600)
//   hardware/<make>.json   the card: kind, family, root document, hardware identity
import { join } from 'node:path';
import { MAKES, type Make } from '@cloister/attester';
import { fromBase64, systemRandom, toBase64, toHex, utf8 } from '@cloister/core';
import { makeFolderDurably, writeDurably } from '@cloister/core/node';
import { encodeCollateral, encodeRoot, needsCollateral } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  decodeDevelopmentRoot,
  encodeDevelopmentRoot,
  hardwareIdOf,
  mintCollateral,
} from '@cloister/evidence/mint';
import { enrolHardware, readOperator } from '@cloister/gateway/home';
import { z } from 'zod';
import { cliError } from './errors.ts';
import { readBytes, readJson } from './files.ts';

const makes = Object.keys(MAKES) as [Make, ...Make[]];

export const hardwareCard = z.strictObject({
  make: z.enum(makes),
  operator: z.string(),
  tee: z.string(),
  family: z.string(),
  /** The encoded root document, base64: public. */
  root: z.string(),
  /** The hardware identity, hexadecimal. */
  id: z.string(),
});

export type HardwareCard = z.infer<typeof hardwareCard>;

/** @throws CodedError `option-malformed` */
export function parseMake(text: string): Make {
  const found = makes.find((make) => make === text);
  if (found !== undefined) return found;
  const message = `${text} is no simulated make: wanted ${makes.join(', ')}`;
  throw cliError('option-malformed', 'usage', message);
}

/** Makes one simulated machine, enrols it with the operator and answers its card. */
export async function createHardware(home: string, make: Make): Promise<HardwareCard> {
  const operator = await readOperator(home);
  const seed = systemRandom.bytes(32);
  const root = createDevelopmentRoot(MAKES[make], { seed, enrolledBy: operator.id });
  const card: HardwareCard = {
    make,
    operator: operator.id,
    tee: root.kind,
    family: root.root.family,
    root: toBase64(encodeRoot(root.root)),
    id: toHex(hardwareIdOf(root)),
  };
  await makeFolderDurably(join(home, 'hardware'));
  await writeDurably(rootPath(home, make), encodeDevelopmentRoot(root), 0o600);
  await writeDurably(cardPath(home, make), utf8(`${JSON.stringify(card, null, 2)}\n`));
  await enrolHardware(home, { tee: card.tee, id: card.id });
  return card;
}

export function cardPath(home: string, make: Make): string {
  return join(home, 'hardware', `${make}.json`);
}

/** @throws CodedError `hardware-missing` */
export async function readCard(path: string): Promise<HardwareCard> {
  const parsed = hardwareCard.safeParse(await readJson(path));
  if (parsed.success) return parsed.data;
  const message = `${path} is no hardware card (cloister hardware create makes one)`;
  throw cliError('hardware-missing', 'malformed', message);
}

export async function readDevelopmentRoot(home: string, make: Make): Promise<DevelopmentRoot> {
  return decodeDevelopmentRoot(await readBytes(rootPath(home, make)));
}

/** Fresh collateral for a simulated machine; undefined for kinds that take none. */
export async function simulatedCollateral(
  home: string,
  make: Make,
  at: number,
): Promise<Uint8Array | undefined> {
  const root = await readDevelopmentRoot(home, make);
  if (!needsCollateral(root.kind)) return undefined;
  // Days since 1970: it grows, and fits what Intel gives such numbers.
  const number = Math.floor(at / 86_400_000);
  // Issued an hour ago: the ledger's clock, which judges it, is a few ticks behind ours.
  return encodeCollateral(mintCollateral(root, { at: at - 3_600_000, number }));
}

/** The root document of a card, as the bytes that its digest in the charter names. */
export function rootDocument(card: HardwareCard): Uint8Array {
  return fromBase64(card.root);
}

function rootPath(home: string, make: Make): string {
  return join(home, 'hardware', `${make}.root`);
}
