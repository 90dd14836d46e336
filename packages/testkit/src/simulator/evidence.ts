// SPDX-License-Identifier: Apache-2.0
// Evidence at the simulator's edge: a stub in the place of quotes and chains, so that a seed is
// fast. It keeps what matters to the protocol: a maker's mark, a measurement, a debug flag, an end,
// and the report data that the join's real formula gives. The makers' real formats are tested in
// packages/evidence.
import {
  type Appraiser,
  BLOB_MOST,
  chooseParts,
  type Environment,
  type FoldState,
  type Join,
  type JoinAppraisal,
  type KeptPart,
  reportData,
} from '@cloister/contract';
import { type BlobStore, equal, fromHex, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type PartNeed, partsNeeded } from '@cloister/evidence';
import { mintEvidence } from '@cloister/evidence/mint';
import { makerOf, namedBytes, START_MS } from '../world/index.ts';

export interface Claimed {
  readonly measurement: string;
  readonly debug: boolean;
  readonly until: number;
  readonly reportData: string;
}

/** Evidence marked by `maker`; a forger knows another maker's secret only. */
export function stubEvidence(maker: string, claimed: Claimed): Uint8Array {
  return utf8(JSON.stringify({ claimed, mark: markOf(maker, claimed) }));
}

function markOf(maker: string, claimed: Claimed): string {
  const secret = namedBytes('maker', maker);
  return toHex(nodeCrypto.digest('sha256', secret, utf8(JSON.stringify(claimed))));
}

type Blobs = Pick<BlobStore, 'get'>;

/**
 * Stands in for `JoinAppraiser`: the same answers, other evidence. `blind` is the code of the one
 * line of appraisal that a mutant leaves out.
 */
export function stubAppraiser(blobs: Blobs, blind?: string): Appraiser {
  const appraise = async (state: FoldState, key: string): Promise<JoinAppraisal> => {
    const join = state.joins.get(key) as Join;
    const environment = state.charter?.environments.find((e) => e.id === join.body.environment);
    const bytes = await blobs.get(join.body.evidence, BLOB_MOST.evidence);
    const late = hasParts(state, environment as Environment) ? [] : ['collateral-not-in-force'];
    const faults = [...judge(state, join, environment as Environment, bytes), ...late];
    const wrong = faults.find((code) => code !== blind);
    if (wrong !== undefined) {
      return { ok: false, mismatch: { code: wrong, wanted: 'the charter’s', got: 'other' } };
    }
    const { claimed } = JSON.parse(new TextDecoder().decode(bytes)) as { claimed: Claimed };
    const claims = { time: { validUntil: claimed.until } };
    return { ok: true, claims, parts: [] } as unknown as JoinAppraisal;
  };
  return { appraise };
}

/** Where the ledger has collateral of this maker, evidence is not judged without all of it. */
function hasParts(state: FoldState, environment: Environment): boolean {
  const kept = [...state.collateral.values()].find((one) => {
    return equal(one.rootKey, environment.rootKey);
  });
  return kept === undefined || 'parts' in chooseParts(state, environment, needsUnder(kept));
}

const needs = new Map<string, PartNeed[]>();

/** The parts that machines of the named maker need. */
function needsUnder({ rootKey }: KeptPart): PartNeed[] {
  const known = needs.get(toHex(rootKey));
  if (known !== undefined) return known;
  const root = makerOf(rootKey);
  const blank = { measurement: new Uint8Array(32), reportData: new Uint8Array(64), at: START_MS };
  const made = partsNeeded(mintEvidence({ root, ...blank }), {
    root: root.root,
    crypto: nodeCrypto,
  });
  needs.set(toHex(rootKey), made);
  return made;
}

/** Everything that is wrong with it, in the order in which it is looked at. */
function judge(
  state: FoldState,
  join: Join,
  environment: Environment,
  bytes: Uint8Array,
): string[] {
  const { claimed, mark } = JSON.parse(new TextDecoder().decode(bytes)) as {
    claimed: Claimed;
    mark: string;
  };
  const measured = fromHex(claimed.measurement);
  const allowed = environment.measurements.some((m) => equal(m.measurement, measured));
  const genesis = state.genesis as Uint8Array;
  const wanted = reportData({ genesis, signing: join.signer, join: join.body }, 64, nodeCrypto);
  const lines: [boolean, string][] = [
    [mark === markOf(environment.tee, claimed), 'signature-invalid'],
    [allowed, 'measurement-not-allowed'],
    [!claimed.debug, 'debug-not-allowed'],
    [claimed.reportData === toHex(wanted), 'report-data-mismatch'],
  ];
  return lines.filter(([holds]) => !holds).map(([, code]) => code);
}
