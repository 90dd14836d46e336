// SPDX-License-Identifier: Apache-2.0
// SIMULATED hardware for the keepers of a test world: a charter that pins it, its roots and
// collateral, and evidence over each keeper's own join, minted under development roots.
import { reportData, type Said } from '@cloister/contract';
import { nodeCrypto } from '@cloister/core/node';
import {
  type EvidenceKind,
  encodeRoot,
  MEASUREMENT_LENGTH,
  needsCollateral,
  REPORT_DATA_LENGTH,
} from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  hardwareIdOf,
  mintEvidence,
  mintParts,
} from '@cloister/evidence/mint';
import { type CharterOptions, charterSpecimen, type World } from '@cloister/testkit/world';

const roots = new Map<string, DevelopmentRoot>();

/** One development root a kind for the whole test process: making keys is slow. */
function rootOf(kind: string, enrolledBy: string): DevelopmentRoot {
  const known = roots.get(kind) ?? createDevelopmentRoot(kind as EvidenceKind, { enrolledBy });
  roots.set(kind, known);
  return known;
}

/** The specimen with the keepers' machines of these roots in its environments. */
export function charterOnHardware(options: CharterOptions) {
  const charter = charterSpecimen(options);
  const enroller = charter.operators[0]?.id ?? '';
  return {
    ...charter,
    operators: charter.operators.map((operator) => ({
      ...operator,
      // The first is the keeper's machine.
      hardware: operator.hardware.map(({ tee, id }, i) =>
        i === 0 ? { tee, id: hardwareIdOf(rootOf(tee, enroller)) } : { tee, id },
      ),
    })),
    environments: charter.environments.map((environment) => ({
      ...environment,
      root: nodeCrypto.digest('sha256', encodeRoot(rootOf(environment.tee, enroller).root)),
      rootKey: nodeCrypto.digest('sha256', rootOf(environment.tee, enroller).root.key),
      measurements: environment.measurements.map((m) => ({
        ...m,
        measurement: asLongAs(environment.tee as EvidenceKind, m.measurement),
      })),
      tcb: 'any' as const,
      minimumSvn: 'any' as const,
    })),
  };
}

/** The maker of the machines of workers. */
export function workerMaker(world: World): DevelopmentRoot {
  const { tee = '' } = world.charter.environments.find(({ role }) => role === 'worker') ?? {};
  return rootOf(tee, world.charter.operators[0]?.id ?? '');
}

/** As many bytes as this kind measures. */
function asLongAs(kind: EvidenceKind, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(MEASUREMENT_LENGTH[kind]);
  out.set(bytes.subarray(0, out.length));
  return out;
}

/**
 * Gives keepers that join from now on evidence that holds; puts roots where `put` puts them, and
 * collateral on the ledger.
 */
export async function giveEvidence(
  world: World,
  put: (bytes: Uint8Array) => Promise<Uint8Array>,
  at: number,
): Promise<void> {
  const { charter } = world;
  const enroller = charter.operators[0]?.id ?? '';
  const member = world.identity(charter.members[0]?.id ?? '');
  for (const kind of new Set(charter.environments.map(({ tee }) => tee))) {
    const root = rootOf(kind, enroller);
    await put(encodeRoot(root.root));
    for (const part of partsOf(root, at)) await world.must(member, 'collateral', part);
  }
  world.evidenceOf = async (signing, join) => put(quote(world, signing, join, at));
}

function partsOf(root: DevelopmentRoot, at: number) {
  if (!needsCollateral(root.kind)) return [];
  return mintParts(root, { at: at - 1_000, number: 1 });
}

function quote(world: World, signing: Uint8Array, join: Said<'join'>, at: number): Uint8Array {
  const environment = world.charter.environments.find((e) => e.id === join.environment);
  const kind = (environment?.tee ?? '') as EvidenceKind;
  const root = rootOf(kind, world.charter.operators[0]?.id ?? '');
  const length = REPORT_DATA_LENGTH[kind] === 32 ? 32 : 64;
  const data = reportData({ genesis: world.genesis, signing, join }, length, nodeCrypto);
  const measurement = environment?.measurements[0]?.measurement as Uint8Array;
  const { hardware: hardwareId } = join;
  return mintEvidence({ root, measurement, reportData: data, hardwareId, at }).bytes;
}
