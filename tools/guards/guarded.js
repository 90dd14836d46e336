// SPDX-License-Identifier: Apache-2.0
// The sources whose every refusal must be noticed when it is missing: what decides whether a key is
// opened, a result released, a head signed; and the tests that must notice.

/** From the repository's root. @type {readonly string[]} */
export const GUARDED = [
  'packages/keeper/src/open.ts',
  'packages/contract/src/fold/rights.ts',
  'packages/contract/src/fold/due.ts',
  'packages/contract/src/fold/statements.ts',
  'packages/contract/src/fold/collateral.ts',
  'packages/contract/src/fold/withdrawals.ts',
  'packages/contract/src/fold/versions.ts',
  'packages/contract/src/fold/inputs-asked.ts',
  'packages/contract/src/fold/closing.ts',
  'packages/contract/src/fold/places.ts',
  'packages/contract/src/fold/proposals.ts',
  'packages/contract/src/fold/seats.ts',
  'packages/contract/src/fold/epochs.ts',
  'packages/contract/src/fold/epoch-ends.ts',
  'packages/contract/src/fold/amendments.ts',
  'packages/contract/src/fold/acceptance.ts',
  'packages/contract/src/charter/amendment.ts',
  'packages/contract/src/reading/handover.ts',
  'packages/contract/src/dataset-files/file-manifest.ts',
  'packages/contract/src/openings/code.ts',
  'packages/contract/src/openings/measures.ts',
  'packages/contract/src/openings/result-parts.ts',
  'packages/contract/src/reading/appraise-join.ts',
  'packages/contract/src/openings/opened-columns.ts',
  'packages/contract/src/openings/planned-again.ts',
  'packages/attested/src/append.ts',
  'packages/attested/src/cosigned-head.ts',
  'packages/attested/src/join.ts',
  'packages/worker/src/run.ts',
  'packages/tlog/src/witness.ts',
  'packages/tlog/src/witness-state.ts',
  'packages/tlog/src/witness-set.ts',
  'packages/tlog/src/freshness.ts',
  'packages/tlog/src/checkpoint.ts',
  'packages/tlog/src/cosignature.ts',
  'packages/evidence/src/parts.ts',
  'packages/gateway/src/ledger/witness-service.ts',
  'packages/gateway/src/keepers/consent.ts',
  'packages/gateway/src/ticking.ts',
  'packages/gateway/src/tasks/results.ts',
  'packages/gateway/src/verdicts/own-appraisals.ts',
];

/**
 * Of these, files of which not every refusal has its test yet: `npm run guards` hunts them, the
 * lane takes its sample of the others. @type {ReadonlySet<string>}
 */
export const NOT_HUNTED = new Set(['packages/gateway/src/keepers/consent.ts']);
