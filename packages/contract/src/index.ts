// SPDX-License-Identifier: Apache-2.0
// The contract: events as typed values, and what both sides of a ledger compute from them.

export * from './bill.ts';
export * from './blob-bounds.ts';
export * from './charter/amendment.ts';
export {
  type CharterBody,
  charterDigest,
  type Environment,
  type Member,
  type Operator,
} from './charter/body.ts';
export * from './charter/changes.ts';
export * from './charter/quorum.ts';
export * from './charter/readable.ts';
export * from './charter/rules.ts';
export * from './charter/vendor-rule.ts';
export * from './dataset-files/checked-ranges.ts';
export * from './dataset-files/digest-tree.ts';
export * from './dataset-files/file-manifest.ts';
export * from './errors.ts';
export * from './events/admit.ts';
export * from './events/bodies.ts';
export * from './events/charter-key.ts';
export * from './events/dataset-size.ts';
export * from './events/event.ts';
export * from './events/founding-charter.ts';
export * from './events/opening-receipt.ts';
export * from './events/run-ticket.ts';
export * from './fold/acceptance.ts';
export * from './fold/amendment-effects.ts';
export { Archive } from './fold/archive.ts';
export { FOLD_VERSION } from './fold/charter.ts';
export * from './fold/collateral.ts';
export { nextEdge } from './fold/edges.ts';
export { silentJoins } from './fold/epoch-ends.ts';
export * from './fold/fold.ts';
export { grantsOf } from './fold/grants.ts';
export { LASTING_REFUSALS } from './fold/lasting-refusals.ts';
export {
  activeEpochOf,
  charterIndex,
  environmentById,
  inputsOwnedBy,
  isMember,
  joinBySigner,
  memberById,
  memberByIdentity,
  memberByKey,
  newestEpochOf,
  operatorById,
  operatorByKey,
  ownerOf,
  versionKey,
  versionOf,
} from './fold/lookup.ts';
export { judgePlace, judgeStanding } from './fold/places.ts';
export { awaitsTick } from './fold/proposals.ts';
export * from './fold/rights.ts';
export { judgeSeats, secondSeat } from './fold/seats.ts';
export * from './fold/state.ts';
export { decodeState, encodeState, STATE_SCHEMA } from './fold/state-codec.ts';
export { LANDING_MAX, placed, STATEMENT_LANDING } from './fold/statements.ts';
export * from './fold/task-state.ts';
export { agreedTime } from './fold/time.ts';
export { coversVersions, inputsRead, versionsAsked } from './fold/versions.ts';
export * from './fold/void-codes.ts';
export * from './fold/void-errors.ts';
export { isRetired } from './fold/withdrawals.ts';
export * from './openings/code.ts';
export * from './openings/commitment.ts';
export * from './openings/measures.ts';
export * from './openings/members.ts';
export * from './openings/opened-columns.ts';
export * from './openings/planned-again.ts';
export * from './openings/result-keys.ts';
export * from './openings/result-parts.ts';
export * from './openings/task.ts';
export type * from './ports/ledger.ts';
export * from './reading/appraise-join.ts';
export * from './reading/checkpoint-follower.ts';
export * from './reading/epoch-transcript.ts';
export * from './reading/handover.ts';
export * from './reading/part-history.ts';
export * from './reading/report-data.ts';
export type { Input, Price } from './shapes.ts';
