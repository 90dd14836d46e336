// SPDX-License-Identifier: Apache-2.0
// An organisation's folder. Everything a member must keep is in it, and losing it without a backup
// loses the member's datasets.
//
//   org.json        id, name and the public charter keys (the "card" others put into a charter)
//   keys.json       the three 32-byte seeds: identity, witness, HPKE; and whether the
//                   witness key has begun to sign                                    (mode 0600)
//   operator.json   the operator's card and enrolled hardware, where the member is one too
//   operator.key    the operator's seed: for launchers, never for the gateway        (mode 0600)
//   charter.cbor    the payload that the founders sign
//   gateway.json    how the gateway runs: genesis, address, ledger, engines, peers
//   admin-token     bearer token of the admin API                                    (mode 0600)
//   witness         what the witness key has signed; without it that key never signs again
//   handovers/      by which readers cross changes of witnesses
//   appraisals/     what was found of the workers behind our runs, one file a usage record
//   log/ blobs/ vault/ uploads/ results/   made by the gateway
//
// Invariant: a secret file that others on the machine can read is refused, not used.
import { createHmac } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  firstIssue,
  fromHex,
  isSystemError,
  type Signer,
  systemRandom,
  toHex,
  utf8,
} from '@cloister/core';
import { ed25519Signer, makeFolderDurably, nodeCrypto, writeDurably } from '@cloister/core/node';
import { deriveHpkeKeyPair, type HpkeKeyPair } from '@cloister/threshold/node';
import { z } from 'zod';
import { gatewayError } from './errors.ts';

/** The charter's payload, in a member's folder: what its gateway signs. */
export const CHARTER_FILE = 'charter.cbor';

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const slug = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'wanted a-z, 0-9 and -, beginning with a letter');

/** The public half of a member: what goes into a charter. */
export const memberCard = z.strictObject({
  id: slug,
  name: z.string().min(1).max(200),
  identity: hex(32),
  witness: hex(32),
  hpke: hex(65),
});

/** The public half of an operator, with the hardware it has enrolled. */
export const operatorCard = z.strictObject({
  id: slug,
  name: z.string().min(1).max(200),
  key: hex(32),
  hardware: z.array(z.strictObject({ tee: slug, id: z.string().regex(/^([0-9a-f]{2}){1,128}$/) })),
});

const keysFile = z.strictObject({
  identity: hex(32),
  witness: hex(32),
  hpke: hex(32),
  /** Set when the witness key first got a memory: from then on it needs that memory to sign. */
  witnessBegun: z.literal(true).optional(),
  /** Set when the witness key was made for a ledger that there was: it has signed nothing. */
  witnessFresh: z.literal(true).optional(),
  /** The identity seed that tags of people were first made with, once it is another one. */
  tags: hex(32).optional(),
  /** Seeds that wait until an amendment with them is in force. */
  next: z.strictObject({ identity: hex(32).optional(), witness: hex(32).optional() }).optional(),
});

type KeysFile = z.infer<typeof keysFile>;

/** An adapter by its kind; what else it wants, it checks itself when it is opened (adapters.ts). */
const adapterSetting = z.looseObject({ kind: slug });

/** gateway.json. Addresses are `http://host:port`. */
export const gatewayConfig = z.strictObject({
  genesis: hex(32),
  host: z.string().default('127.0.0.1'),
  port: z.number().int().min(0).max(65_535),
  /** As `{ "kind": "log", "url": "http://host:port" }`. */
  ledger: adapterSetting,
  /** Whose codes this gateway can plan; groupings of policies are those of the first. */
  engines: z
    .array(adapterSetting)
    .min(1)
    .max(16)
    .default([{ kind: 'duckdb' }]),
  /** Other members' gateways, by member id. */
  peers: z.record(slug, z.string().url()),
  /** Host names besides loopback and `host` under which the admin API may be called. */
  hosts: z.array(z.string().min(1).max(253)).default([]),
  /** Whether this member, or its keys, came into the charter by an amendment. */
  later: z.boolean().default(false),
  /** Seconds between the witness's ticks. */
  tickSeconds: z.number().min(0.2).max(86_400).default(30),
});

export type MemberCard = z.infer<typeof memberCard>;
export type OperatorCard = z.infer<typeof operatorCard>;
export type AdapterSetting = z.infer<typeof adapterSetting>;
export type GatewayConfig = z.infer<typeof gatewayConfig>;

type Seed = Uint8Array<ArrayBuffer>;

/** A member's own keys, in this process's memory. */
export interface OrgKeys {
  readonly identity: Signer;
  readonly witness: Signer;
  readonly hpke: HpkeKeyPair;
  /** Whether the witness key has begun to sign in an earlier life of this folder. */
  readonly witnessBegun: boolean;
  /** Whether the witness key was made for a ledger that there was already, and has not begun. */
  readonly witnessFresh: boolean;
  /** Keys of the next charter, where some were made and are not in force yet. */
  readonly next: { readonly identity: Signer; readonly witness: Signer };
  /** A keyed tag of this member's own: stable, and nothing that others could try values against. */
  tag(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
}

/** Makes the folder with fresh keys. @throws CodedError `home-exists` */
export async function createOrg(
  home: string,
  org: { id: string; name: string },
): Promise<MemberCard> {
  if (await exists(join(home, 'org.json'))) {
    throw gatewayError('home-exists', `${home} already holds an organisation`);
  }
  const [identity, witness, hpke] = [0, 1, 2].map(() => systemRandom.bytes(32)) as [
    Seed,
    Seed,
    Seed,
  ];
  const card = check('org.json', memberCard, {
    ...org,
    identity: toHex(ed25519Signer(identity).key),
    witness: toHex(ed25519Signer(witness).key),
    hpke: toHex(deriveHpkeKeyPair(hpke).publicKey),
  });
  await makeFolderDurably(home);
  const secrets = { identity: toHex(identity), witness: toHex(witness), hpke: toHex(hpke) };
  await writeSecretJson(join(home, 'keys.json'), secrets);
  await writeDurably(join(home, 'admin-token'), utf8(toHex(systemRandom.bytes(32))), 0o600);
  await writeJson(join(home, 'org.json'), card);
  return card;
}

/**
 * Adds an operator's key to the folder: its seed is for launchers.
 * @throws CodedError `home-exists`
 */
export async function createOperator(
  home: string,
  operator: { id: string; name: string },
): Promise<OperatorCard> {
  if (await exists(join(home, 'operator.json'))) {
    throw gatewayError('home-exists', `${home} already holds an operator`);
  }
  await makeFolderDurably(home);
  const seed = systemRandom.bytes(32);
  const key = toHex(ed25519Signer(seed).key);
  const card = check('operator.json', operatorCard, { ...operator, key, hardware: [] });
  await writeDurably(join(home, 'operator.key'), utf8(toHex(seed)), 0o600);
  await writeJson(join(home, 'operator.json'), card);
  return card;
}

export async function readOrg(home: string): Promise<MemberCard> {
  return check('org.json', memberCard, await readJson(home, 'org.json'));
}

export async function readOperator(home: string): Promise<OperatorCard> {
  return check('operator.json', operatorCard, await readJson(home, 'operator.json'));
}

/** Enrols a hardware identity; it takes effect with the charter that lists it. */
export async function enrolHardware(
  home: string,
  hardware: { tee: string; id: string },
): Promise<void> {
  const card = await readOperator(home);
  const known = card.hardware.some((h) => h.tee === hardware.tee && h.id === hardware.id);
  if (!known)
    await writeJson(join(home, 'operator.json'), {
      ...card,
      hardware: [...card.hardware, hardware],
    });
}

export async function readOperatorSigner(home: string): Promise<Signer> {
  const text = await readSecret(home, 'operator.key');
  return ed25519Signer(fromHex(text.trim(), 32));
}

export async function readKeys(home: string): Promise<OrgKeys> {
  const keys = await readKeysFile(home);
  const tagSeed = fromHex(keys.tags ?? keys.identity);
  const tagKey = nodeCrypto.digest('sha256', utf8('cloister/tag-key/v1'), tagSeed);
  return {
    tag: (...parts) => {
      const hmac = createHmac('sha256', tagKey);
      for (const part of parts) hmac.update(part);
      return new Uint8Array(hmac.digest());
    },
    identity: ed25519Signer(fromHex(keys.identity)),
    witness: ed25519Signer(fromHex(keys.witness)),
    hpke: deriveHpkeKeyPair(fromHex(keys.hpke)),
    witnessBegun: keys.witnessBegun === true,
    witnessFresh: keys.witnessFresh === true,
    next: {
      identity: ed25519Signer(fromHex(keys.next?.identity ?? keys.identity)),
      witness: ed25519Signer(fromHex(keys.next?.witness ?? keys.witness)),
    },
  };
}

/** Records beside the keys that the witness key has begun, so that its memory is missed if lost. */
export async function markWitnessBegun(home: string): Promise<void> {
  const { witnessFresh: _fresh, ...keys } = await readKeysFile(home);
  await writeSecretJson(join(home, 'keys.json'), { ...keys, witnessBegun: true });
}

/**
 * Makes keys for the next charter and answers the card with them; they are kept beside the ones in
 * use. Asked again, it answers the same ones.
 */
export async function prepareKeys(
  home: string,
  which: readonly ('identity' | 'witness')[],
): Promise<MemberCard> {
  const keys = await readKeysFile(home);
  const next = { ...keys.next };
  for (const key of which) next[key] ??= toHex(systemRandom.bytes(32));
  await writeSecretJson(join(home, 'keys.json'), { ...keys, next });
  return nextCard(home);
}

/** The card as the next charter gives it: with the keys that wait, where there are some. */
export async function nextCard(home: string): Promise<MemberCard> {
  const { next } = await readKeys(home);
  const card = await readOrg(home);
  return { ...card, identity: toHex(next.identity.key), witness: toHex(next.witness.key) };
}

/**
 * Takes the keys that wait into use: their amendment is in force. The memory of an old witness key
 * is kept under another name; the new key begins with none. The gateway must not be running.
 * @throws CodedError `keys-not-prepared`
 */
export async function takeKeys(home: string): Promise<MemberCard> {
  const { next, witnessBegun, ...keys } = await readKeysFile(home);
  if (next === undefined) {
    throw gatewayError('keys-not-prepared', `${home} has no keys that wait to be taken into use`);
  }
  const card = await nextCard(home);
  const begun = witnessBegun === undefined ? {} : { witnessBegun };
  const witness = next.witness === undefined ? begun : ({ witnessFresh: true } as const);
  const tags = next.identity === undefined ? {} : { tags: keys.tags ?? keys.identity };
  if (next.witness !== undefined) await setAside(join(home, 'witness'), keys.witness);
  await writeSecretJson(join(home, 'keys.json'), { ...keys, ...next, ...witness, ...tags });
  await writeJson(join(home, 'org.json'), card);
  return card;
}

/** The old key's memory, named by the key's public half. */
async function setAside(path: string, seed: string): Promise<void> {
  const name = toHex(ed25519Signer(fromHex(seed)).key).slice(0, 16);
  await rename(path, `${path}-${name}`).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
  });
}

async function readKeysFile(home: string): Promise<KeysFile> {
  const text = await readSecret(home, 'keys.json');
  return check('keys.json', keysFile, parseJson('keys.json', text));
}

export async function readAdminToken(home: string): Promise<string> {
  return (await readSecret(home, 'admin-token')).trim();
}

export async function readGatewayConfig(home: string): Promise<GatewayConfig> {
  return check('gateway.json', gatewayConfig, await readJson(home, 'gateway.json'));
}

export async function writeGatewayConfig(
  home: string,
  config: z.input<typeof gatewayConfig>,
): Promise<void> {
  await writeJson(join(home, 'gateway.json'), check('gateway.json', gatewayConfig, config));
}

/** A folder of the gateway's own inside the home, made when it is missing, closed to others. */
export async function homeFolder(home: string, name: string): Promise<string> {
  const path = join(home, name);
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function readJson(home: string, name: string): Promise<unknown> {
  return parseJson(name, await readText(home, name));
}

async function readText(home: string, name: string): Promise<string> {
  try {
    return await readFile(join(home, name), 'utf8');
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const hint = "is this an organisation's folder (cloister org init)?";
    const message = `${join(home, name)} is missing: ${hint}`;
    throw gatewayError('home-missing', message);
  }
}

async function readSecret(home: string, name: string): Promise<string> {
  const text = await readText(home, name);
  const { mode } = await stat(join(home, name));
  if ((mode & 0o077) !== 0) {
    const what = `${join(home, name)} can be read by others`;
    const message = `${what}: chmod 600 it, and consider its keys known`;
    throw gatewayError('home-permissions', message);
  }
  return text;
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw gatewayError('home-malformed', `${name} is not JSON`);
  }
}

function check<T extends z.ZodType>(name: string, schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { where, says } = firstIssue(parsed.error);
  throw gatewayError('home-malformed', `${name}: ${where} ${says}`);
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writeDurably(path, utf8(`${JSON.stringify(value, null, 2)}\n`));
}

function writeSecretJson(path: string, value: unknown): Promise<void> {
  return writeDurably(path, utf8(`${JSON.stringify(value)}\n`), 0o600);
}
