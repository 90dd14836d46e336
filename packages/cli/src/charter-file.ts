// SPDX-License-Identifier: Apache-2.0
// The charter as a file that people pass around before they sign: the body in JSON with byte
// strings in hexadecimal, the root documents it names, and the genesis that it gives. What is
// signed is the CBOR payload (contract); the JSON is its readable twin and is checked to give the
// same genesis.
import { type Measured, measureFiles } from '@cloister/attester';
import {
  type CharterBody,
  charterFromReadable,
  checkCharter,
  type Environment,
  encodeFoundingCharter,
  readableCharter,
  smallestQuorum,
} from '@cloister/contract';
import { firstIssue, fromBase64, fromHex, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { decodeRoot } from '@cloister/evidence';
import type { MemberCard, OperatorCard } from '@cloister/gateway/home';
import { z } from 'zod';
import { cliError } from './errors.ts';
import { type HardwareCard, measurementOn, rootDocument } from './hardware.ts';
import { readJson } from './named-files.ts';

const fileShape = z.strictObject({
  genesis: z.string().regex(/^[0-9a-f]{64}$/),
  /** Root documents, base64; their SHA-256 are the environments' roots. */
  roots: z.array(z.string()),
  charter: z.record(z.string(), z.unknown()),
});

export interface CharterFile {
  readonly genesis: Uint8Array;
  /** The payload that founders sign. */
  readonly payload: Uint8Array;
  readonly body: CharterBody;
  readonly roots: readonly Uint8Array[];
}

export interface CharterDraft {
  readonly name: string;
  readonly members: readonly MemberCard[];
  readonly operators: readonly OperatorCard[];
  readonly hardware: readonly HardwareCard[];
  readonly keepers: {
    readonly seats: number;
    readonly threshold: number;
    readonly vendors: number;
    /** Operators whose keeper may take one seat without members' consent. */
    readonly spares?: readonly string[];
  };
  /** Witnesses that may lie; one of three or more when absent. */
  readonly faulty?: number;
  /** The least that holds a task's code on its workers: `process` where absent. */
  readonly cage?: Environment['cage'];
}

/** Drafts a charter over simulated hardware: each machine may be keeper and worker. */
export async function draftCharter(draft: CharterDraft): Promise<CharterFile> {
  const faulty = draft.faulty ?? (draft.members.length >= 3 ? 1 : 0);
  const environments = (
    await Promise.all(draft.hardware.map((card) => environmentsOf(card, draft.cage)))
  ).flat();
  const body: CharterBody = {
    name: draft.name,
    version: 1,
    members: draft.members.map((m) => ({
      id: m.id,
      name: m.name,
      identity: fromHex(m.identity),
      witness: fromHex(m.witness),
      hpke: fromHex(m.hpke),
    })),
    witnesses: { faulty, quorum: smallestQuorum(draft.members.length, faulty) },
    operators: draft.operators.map((o) => ({
      id: o.id,
      name: o.name,
      key: fromHex(o.key),
      hardware: o.hardware.map((h) => ({ tee: h.tee, id: fromHex(h.id) })),
    })),
    environments,
    keepers: { ...draft.keepers, spares: [...(draft.keepers.spares ?? [])] },
    deadlines: { epochPhase: 60_000, run: 86_400_000, release: 600_000 },
    fold: 1,
    simulated: true,
  };
  checkCharter(body);
  return {
    ...encodeFoundingCharter(body, nodeCrypto),
    body,
    roots: draft.hardware.map(rootDocument),
  };
}

/** The environments of a machine that may be keeper and worker, measured as this build is. */
export async function environmentsOf(
  card: HardwareCard,
  cage: Environment['cage'] = 'process',
): Promise<Environment[]> {
  const of = async (role: 'keeper' | 'worker') =>
    environmentOf(card, role, { ...(await measureFiles({ role })), cage });
  return Promise.all([of('keeper'), of('worker')]);
}

function environmentOf(
  card: HardwareCard,
  role: 'keeper' | 'worker',
  { encoded, manifest, cage }: Measured & { readonly cage: Environment['cage'] },
): Environment {
  const option = card.registers ? ' --card <card>' : '';
  return {
    id: environmentId(card, role),
    role,
    tee: card.tee,
    family: card.family,
    root: nodeCrypto.digest('sha256', rootDocument(card)),
    rootKey: nodeCrypto.digest('sha256', decodeRoot(rootDocument(card)).key),
    evaluation: { least: 0 },
    trust: 'simulated',
    measurements: [
      {
        measurement: measurementOn(card, encoded),
        source: 'this build of Cloister',
        recipe: `npm ci && npx cloister ${role} measure${option}, on Node ${manifest.node}`,
      },
    ],
    tcb: 'any',
    advisories: 'any',
    minimumSvn: 'any',
    signers: [],
    cage: role === 'worker' ? cage : 'none',
    engines: role === 'worker' ? ['duckdb'] : [],
    also: [],
  };
}

/** The environment of a simulated machine in one role. */
export function environmentId(card: Pick<HardwareCard, 'operator' | 'make'>, role: string): string {
  return `${card.operator}-${card.make}-${role}`.slice(0, 32);
}

/** The file's text. */
export function formatCharterFile(file: CharterFile): string {
  const charter = readableCharter(file.body);
  const roots = file.roots.map((root) => Buffer.from(root).toString('base64'));
  return `${JSON.stringify({ genesis: toHex(file.genesis), roots, charter }, null, 2)}\n`;
}

/**
 * Reads and checks a charter file.
 * @throws CodedError `charter-file-malformed` and charter codes
 */
export async function readCharterFile(path: string): Promise<CharterFile> {
  const parsed = fileShape.safeParse(await readJson(path));
  if (!parsed.success) throw malformed(path, firstIssue(parsed.error).says);
  const body = readBody(path, parsed.data.charter);
  checkCharter(body);
  const { payload, genesis } = encodeFoundingCharter(body, nodeCrypto);
  if (toHex(genesis) !== parsed.data.genesis) {
    throw malformed(path, `its charter gives genesis ${toHex(genesis)}, not the one it states`);
  }
  const roots = parsed.data.roots.map(fromBase64);
  const known = new Set(roots.map((root) => toHex(nodeCrypto.digest('sha256', root))));
  const missing = body.environments.find((e) => !known.has(toHex(e.root)));
  if (missing !== undefined) throw malformed(path, `the root document of ${missing.id} is missing`);
  return { genesis, payload, body, roots };
}

function readBody(path: string, value: unknown): CharterBody {
  try {
    return charterFromReadable(value);
  } catch (error) {
    if (!isCoded(error, 'charter-unreadable')) throw error;
    throw malformed(path, error.message);
  }
}

function malformed(path: string, what: string) {
  return cliError('charter-file-malformed', `${path} is no charter file: ${what}`);
}
