// SPDX-License-Identifier: Apache-2.0
// The face of the package: verify evidence, appraise claims. Minting is in
// `@cloister/evidence/mint`.
export * from './appraise.ts';
export * from './cache.ts';
export { claimsJson } from './claims-json.ts';
export {
  decodeCollateral,
  encodeCollateral,
  makeCollateral,
  needsCollateral,
  parseCollateralJson,
} from './collateral.ts';
export * from './detect.ts';
export * from './ear/ear.ts';
export * from './errors.ts';
export {
  type EventLog,
  eventText,
  isDataMeasured,
  type LogEvent,
  parseEventLog,
  replayEventLog,
} from './eventlog/parse.ts';
export * from './inspect.ts';
export { COMMANDS as OPTEE_COMMANDS, type OpteeCommand } from './op-tee/constants.ts';
export { opteeNonce } from './op-tee/parse.ts';
export * from './part-needs.ts';
export * from './parts.ts';
export { partsFromFiles, partsOfItems } from './parts-from-files.ts';
export { openPolicy, parsePolicy } from './policy.ts';
export { decodeRoot, encodeRoot } from './roots/encode.ts';
export * from './roots/make.ts';
export * from './roots/vendors.ts';
export * from './stated.ts';
export { verifyCcel } from './tdx-dcap/ccel.ts';
export { tdxMeasurement } from './tdx-dcap/parse.ts';
export { decodeEvidenceFile, type EvidenceForm } from './text-form.ts';
export { tpmMeasurement, verifyTpmEventLog, verifyTpmQuote } from './tpm2/quote.ts';
export { parseAttest, parseTpmPublic, tpmName } from './tpm2/structures.ts';
export * from './types.ts';
export { collateralFromFiles, type VendorFile } from './vendor-files.ts';
export * from './verify.ts';
