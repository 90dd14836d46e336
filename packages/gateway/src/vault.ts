// SPDX-License-Identifier: Apache-2.0
// The owner's own memory of its datasets: master keys and what was committed to, one file a dataset
// version (mode 0600). It is what lets a gateway seal again when the group key changes, and what a
// backup must hold: without it the dataset is lost with the key.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex, toHex, utf8 } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';
import { z } from 'zod';
import { gatewayError } from './errors.ts';
import { homeFolder } from './home.ts';

/** The id of the footer's master key; columns are counted from 1. */
export const FOOTER = 0;

const hex = z.string().regex(/^([0-9a-f]{2})*$/);
const stored = z.strictObject({
  dataset: hex,
  version: z.number().int().min(1),
  name: z.string(),
  /** Master keys by column id, or `FOOTER`. */
  keys: z.array(z.tuple([z.number().int().min(0), hex])),
  schema: z.strictObject({ salt: hex, value: hex }),
  policy: z.strictObject({ salt: hex, value: hex }),
  /** Which attempt at this version; absent of the first version. */
  attempt: hex.optional(),
  /** The list of files that these keys are for; absent of the first version. */
  manifest: hex.optional(),
});

/** What the vault keeps of one dataset version. */
export interface VaultEntry {
  readonly dataset: Uint8Array;
  readonly version: number;
  readonly name: string;
  readonly keys: ReadonlyMap<number, Uint8Array>;
  readonly schema: { salt: Uint8Array; value: Uint8Array };
  readonly policy: { salt: Uint8Array; value: Uint8Array };
  /**
   * Random bytes that tell apart what was begun for one later version. An attempt that seems to
   * have failed may still land, so the next one never takes the place of its keys.
   */
  readonly attempt?: Uint8Array;
  /** Digest of the list of files that the keys are for, once there is one. */
  readonly manifest?: Uint8Array;
}

export interface Vault {
  /** Keeps an entry durably, before anything that depends on its keys is published. */
  put(entry: VaultEntry): Promise<void>;
  /** Every entry, in no particular order. @throws CodedError `home-malformed` */
  all(): Promise<VaultEntry[]>;
}

/** The vault in a member's folder. */
export function vaultIn(home: string): Vault {
  return { put: (entry) => putVaultEntry(home, entry), all: () => readVault(home) };
}

async function putVaultEntry(home: string, entry: VaultEntry): Promise<void> {
  const folder = await homeFolder(home, 'vault');
  const opening = (o: { salt: Uint8Array; value: Uint8Array }) => ({
    salt: toHex(o.salt),
    value: toHex(o.value),
  });
  const value: z.infer<typeof stored> = {
    dataset: toHex(entry.dataset),
    version: entry.version,
    name: entry.name,
    keys: [...entry.keys].map(([id, key]) => [id, toHex(key)]),
    schema: opening(entry.schema),
    policy: opening(entry.policy),
    ...(entry.attempt === undefined ? {} : { attempt: toHex(entry.attempt) }),
    ...(entry.manifest === undefined ? {} : { manifest: toHex(entry.manifest) }),
  };
  const path = join(folder, nameOf(entry));
  await writeDurably(path, utf8(JSON.stringify(value)), 0o600);
}

/** Forgets the keys of an entry for ever. */
export async function removeVaultEntry(home: string, entry: VaultEntry): Promise<void> {
  await rm(join(await homeFolder(home, 'vault'), nameOf(entry)), { force: true });
}

function nameOf({ dataset, version, attempt }: VaultEntry): string {
  const which = attempt === undefined ? '' : `-${toHex(attempt)}`;
  return `${toHex(dataset)}-${version}${which}.json`;
}

async function readVault(home: string): Promise<VaultEntry[]> {
  const folder = await homeFolder(home, 'vault');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  return Promise.all(
    names.map(async (name) => parseEntry(name, await readFile(join(folder, name), 'utf8'))),
  );
}

function parseEntry(name: string, text: string): VaultEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = stored.safeParse(value);
  if (!parsed.success) {
    const help = 'restore it from a backup; its dataset cannot be sealed again without it';
    const message = `vault/${name} is damaged: ${help}`;
    throw gatewayError('home-malformed', message);
  }
  const { data } = parsed;
  const opening = (o: { salt: string; value: string }) => ({
    salt: fromHex(o.salt),
    value: fromHex(o.value),
  });
  return {
    dataset: fromHex(data.dataset),
    version: data.version,
    name: data.name,
    keys: new Map(data.keys.map(([id, key]) => [id, fromHex(key)])),
    schema: opening(data.schema),
    policy: opening(data.policy),
    ...(data.attempt === undefined ? {} : { attempt: fromHex(data.attempt) }),
    ...(data.manifest === undefined ? {} : { manifest: fromHex(data.manifest) }),
  };
}
