// SPDX-License-Identifier: Apache-2.0
// A charter as the demo has it: each member is also an operator with one machine for a keeper and
// one for a worker; the keepers' environments take turns among three simulated makes.
import type { CharterBody, Environment } from '@cloister/contract';
import { smallestQuorum } from '@cloister/contract';
import { nodeCrypto } from '@cloister/core/node';
import { namedBytes, namedPoint, namedSigner } from './keys.ts';
import { namedMaker } from './makers.ts';

export interface CharterOptions {
  readonly seed?: string;
  readonly members?: readonly string[];
  /** Witnesses that may lie; by default as many as w >= 3f+1 allows, and at least one of three. */
  readonly faulty?: number;
  readonly seats?: number;
  readonly threshold?: number;
  readonly vendors?: number;
  readonly spares?: string[];
  /** Of its workers' environments. */
  readonly engines?: string[];
}

const MAKES = [
  { make: 'sgx', tee: 'sgx-dcap', family: 'intel' },
  { make: 'sev-snp', tee: 'sev-snp', family: 'amd' },
  // Enrolled by the first operator, whatever it is called.
  { make: 'optee', tee: 'op-tee', family: 'op-tee' },
] as const;

/** Ledger milliseconds that the specimen gives an epoch's phase, and a release. */
export const EPOCH_PHASE_MS = 60_000;
export const RUN_MS = 86_400_000;
export const RELEASE_MS = 600_000;

export function charterSpecimen(options: CharterOptions = {}): CharterBody {
  const seed = options.seed ?? 'specimen';
  const ids = options.members ?? ['insurer', 'hospital', 'bank'];
  const faulty = options.faulty ?? (ids.length >= 3 ? Math.max(1, (ids.length - 1) / 3) | 0 : 0);
  const seats = options.seats ?? ids.length;
  const threshold = options.threshold ?? Math.min(2, seats);
  const vendors = options.vendors ?? (threshold > 1 ? 2 : 1);
  return {
    name: 'Specimen',
    version: 1,
    members: ids.map((id) => ({
      id,
      name: `The ${id}`,
      identity: namedSigner(seed, `${id}/identity`).key,
      witness: namedSigner(seed, `${id}/witness`).key,
      hpke: namedPoint(seed, `${id}/hpke`),
    })),
    witnesses: { faulty, quorum: smallestQuorum(ids.length, faulty) },
    operators: ids.map((id, i) => ({
      id,
      name: `The ${id}'s machines`,
      key: namedSigner(seed, `${id}/operator`).key,
      hardware: [
        { tee: makeOf(i).tee, id: hardwareOf(seed, id, 'keeper') },
        { tee: MAKES[0].tee, id: hardwareOf(seed, id, 'worker') },
      ],
    })),
    environments: [
      ...MAKES.map((make) => environment(seed, 'keeper', make, ids)),
      { ...environment(seed, 'worker', MAKES[0], ids), engines: options.engines ?? ['duckdb'] },
    ],
    keepers: { seats, threshold, vendors, spares: options.spares ?? [] },
    deadlines: { epochPhase: EPOCH_PHASE_MS, run: RUN_MS, release: RELEASE_MS },
    fold: 1,
    simulated: true,
  };
}

/** SGX machines of a specimen are of a maker whose collateral can be minted. */
function rootKeyOf(seed: string, make: string): Uint8Array<ArrayBuffer> {
  if (make !== MAKES[0].make) return namedBytes(seed, `root-key/${make}`);
  return Uint8Array.from(nodeCrypto.digest('sha256', namedMaker(seed).root.key));
}

/** The make of the i-th operator's keeper machine. */
export function makeOf(i: number): (typeof MAKES)[number] {
  return MAKES[i % MAKES.length] as (typeof MAKES)[number];
}

export function hardwareOf(seed: string, operator: string, role: string): Uint8Array<ArrayBuffer> {
  return namedBytes(seed, `hardware/${operator}/${role}`).slice(0, 16);
}

export function environmentId(role: 'keeper' | 'worker', make: string): string {
  return `${role}-${make}`;
}

function environment(
  seed: string,
  role: 'keeper' | 'worker',
  { make, tee, family }: { make: string; tee: string; family: string },
  operators: readonly string[],
): Environment {
  return {
    id: environmentId(role, make),
    role,
    tee,
    family: family === 'op-tee' ? `op-tee:${operators[0]}` : family,
    root: namedBytes(seed, `root/${make}`),
    rootKey: rootKeyOf(seed, make),
    evaluation: { least: 0 },
    trust: 'simulated',
    measurements: [
      {
        measurement: namedBytes(seed, `measurement/${role}/${make}`),
        source: 'commit 0000000',
        recipe: 'npm run build',
      },
    ],
    tcb: ['up-to-date'],
    advisories: [],
    minimumSvn: 1,
    signers: [],
    cage: role === 'worker' ? 'process' : 'none',
    engines: [],
    also: [],
  };
}
