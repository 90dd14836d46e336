// SPDX-License-Identifier: Apache-2.0
// The codes that this package throws. What the fold finds void is not an error and has codes of its
// own (fold/void-codes.ts): the bytes were right, the right was missing. Codes never change
// meaning.
import { CodedError, type ErrorKind } from '@cloister/core';

/** Why a charter's body contradicts itself; charter-rules.ts says each rule. */
export type CharterErrorCode =
  | 'charter-id-repeated'
  | 'charter-key-repeated'
  | 'charter-hardware-repeated'
  | 'charter-quorum'
  | 'charter-threshold'
  | 'charter-vendor-rule'
  | 'charter-seats-unfillable'
  | 'charter-environments'
  | 'charter-tee'
  | 'charter-measurement-roles'
  | 'charter-family'
  | 'charter-simulated';

/** Why `admit` refuses bytes, besides core's codes for CBOR, COSE and keys, and threshold's. */
export type AdmitErrorCode =
  | 'event-too-large'
  | 'event-malformed'
  | 'event-version'
  | 'event-kind-unknown'
  | 'event-genesis'
  | 'event-subject'
  | 'event-body-invalid'
  | 'event-point-invalid'
  | 'join-not-countersigned'
  | 'countersigned-not-a-join'
  | 'join-signers-equal';

export type OpeningsErrorCode =
  | 'openings-malformed'
  | 'openings-not-for-me'
  | 'opening-missing'
  | 'opening-mismatch';

/** Why opened code is not what its task says, or a column of it does not open. */
export type OpenedErrorCode =
  | 'uses-differ'
  | 'outputs-differ'
  | 'policy-refused'
  | 'column-not-granted'
  | 'column-not-sealed';

/** Why bytes are not the charter that a genesis stands for. */
export type FoundingErrorCode = 'founding-charter-mismatch' | 'founding-charter-malformed';

/** Why a node's own reading of the ledger stops, or a join cannot be appraised. */
export type FollowErrorCode = 'join-unknown' | 'ledger-unreachable' | 'ledger-history-mismatch';

/** Why a key generation on the ledger is not what its acknowledgements say. */
export type TranscriptErrorCode = 'epoch-not-complete' | 'epoch-acknowledgements';

export type ContractErrorCode =
  | CharterErrorCode
  | AdmitErrorCode
  | OpeningsErrorCode
  | OpenedErrorCode
  | FollowErrorCode
  | FoundingErrorCode
  | TranscriptErrorCode;

/** A CodedError whose code is one of this package's. */
export function contractError(
  code: ContractErrorCode,
  kind: ErrorKind,
  message: string,
  cause?: unknown,
): CodedError<ContractErrorCode> {
  return new CodedError(code, kind, message, cause === undefined ? {} : { cause });
}
