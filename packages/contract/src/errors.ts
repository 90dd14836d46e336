// SPDX-License-Identifier: Apache-2.0
// The codes that this package throws. What the fold finds void is not an error and has codes of its
// own (fold/void-codes.ts): the bytes were right, the right was missing. Codes never change
// meaning.
import { coreError, type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const contractError = errorTable({
  // why a charter's body contradicts itself; charter/rules.ts says each rule
  'charter-id-repeated': { kind: 'policy', says: 'A charter gives one name twice.' },
  'charter-key-repeated': { kind: 'policy', says: 'A charter gives one key to two.' },
  'charter-hardware-repeated': {
    kind: 'policy',
    says: 'A charter enrols one piece of hardware twice.',
  },
  'charter-quorum': {
    kind: 'policy',
    says: "A charter's quorum of witnesses does not fit their number and faults.",
  },
  'charter-threshold': {
    kind: 'policy',
    says: "A charter's threshold does not fit its number of keepers.",
  },
  'charter-vendor-rule': {
    kind: 'policy',
    says: "A charter's vendor rule lets one vendor decide.",
  },
  'charter-seats-unfillable': {
    kind: 'policy',
    says: 'A charter has too few operators or environments for its seats.',
  },
  'charter-spares': {
    kind: 'policy',
    says: 'A charter names a spare that is no operator, or names one twice.',
  },
  'charter-environments': {
    kind: 'policy',
    says: 'A charter lacks an environment for a role, or names a wrong one.',
  },
  'charter-programs': {
    kind: 'policy',
    says: 'A charter gives an environment neither measurements nor signers, or both.',
  },
  'charter-cage': { kind: 'policy', says: 'A charter gives a keeper a cage for code.' },
  'charter-engines': {
    kind: 'policy',
    says: "A charter gives a worker's environment no engine, or a keeper's one.",
  },
  'charter-tee': { kind: 'policy', says: 'A charter names a TEE that is not known.' },
  'charter-measurement-roles': {
    kind: 'policy',
    says: 'A charter takes one measurement for both roles.',
  },
  'charter-family': {
    kind: 'policy',
    says: 'A charter gives an environment another root family than its TEE has.',
  },
  'charter-simulated': {
    kind: 'policy',
    says: 'A charter has simulated hardware and does not say so.',
  },
  'charter-evaluation': {
    kind: 'policy',
    says: 'An environment takes no evaluation number: its greatest is below its least.',
  },
  // why `admit` refuses bytes, besides core's codes for CBOR, COSE and keys, and threshold's
  'event-too-large': {
    kind: 'malformed',
    says: 'An event is longer than any may be; put the bulk into a blob.',
  },
  'event-malformed': { kind: 'malformed', says: 'Bytes are not an event.' },
  'event-version': {
    kind: 'unsupported',
    says: 'An event has a version that this build does not read.',
  },
  'event-kind-unknown': {
    kind: 'unsupported',
    says: 'An event is of a kind that this build does not know.',
  },
  'event-genesis': {
    kind: 'malformed',
    says: 'An event names a genesis where it may not, or none where it must.',
  },
  'event-subject': {
    kind: 'malformed',
    says: 'The subject that is signed is not the kind of the event.',
  },
  'event-body-invalid': {
    kind: 'malformed',
    says: 'The body of an event has not the form of its kind.',
  },
  'charter-unreadable': { kind: 'malformed', says: 'JSON is not the body of a charter.' },
  'charter-key-malformed': {
    kind: 'malformed',
    says: "A witness key's word is not about this amendment and signer: let it sign again.",
  },
  'handover-too-early': {
    kind: 'verification',
    says: 'A handover of witnesses is over a head that lacks its amendment: ask another gateway.',
  },
  'fold-version-unknown': {
    kind: 'unsupported',
    says: 'The charter asks for rules that this release does not know; run a newer one.',
  },
  'ticket-malformed': {
    kind: 'malformed',
    says: "A run's ticket is not one of this ledger: ask its proposer for another.",
  },
  'receipt-malformed': {
    kind: 'malformed',
    says: "A keeper's receipt is not one of this ledger, or is for something else.",
  },
  'event-point-invalid': {
    kind: 'verification',
    says: 'A key in the body of an event is no point of P-256.',
  },
  'join-not-countersigned': { kind: 'malformed', says: 'A join is not signed by its operator.' },
  'countersigned-not-a-join': {
    kind: 'malformed',
    says: 'Something other than a join is signed twice.',
  },
  'join-signers-equal': {
    kind: 'policy',
    says: 'The operator and the node of a join are one key.',
  },
  // openings
  'openings-malformed': {
    kind: 'malformed',
    says: 'Bytes are not openings of a task or a result.',
  },
  'openings-not-for-me': { kind: 'not-found', says: 'Openings hold none for this member.' },
  'opening-missing': { kind: 'verification', says: 'A commitment on the ledger was not opened.' },
  'opening-mismatch': {
    kind: 'verification',
    says: 'An opening is not what the ledger has a commitment to.',
  },
  'task-openings-malformed': { kind: 'malformed', says: 'Bytes are not the openings of a task.' },
  'task-opening-mismatch': {
    kind: 'verification',
    says: 'Openings of a task are not what the ledger has commitments to.',
  },
  'measures-malformed': { kind: 'malformed', says: 'The measures of a run are malformed.' },
  'measures-differ': {
    kind: 'verification',
    says: 'The measures of a run are not in the classes that its record says.',
  },
  'result-malformed': {
    kind: 'malformed',
    says: 'Bytes are not a result, or its parts contradict one another.',
  },
  // why opened code is not what its task says, or a column of it does not open
  'code-in-files': {
    kind: 'unsupported',
    says: 'The code of a task is files, which this version does not run.',
  },
  'statements-differ': {
    kind: 'verification',
    says: 'The code has another number of statements than its task says.',
  },
  'engine-other': {
    kind: 'unsupported',
    says: 'The task is for an engine that is not here; those that are stand beside.',
  },
  'engine-kind-twice': { kind: 'usage', says: 'Two engines of one kind are set up.' },
  'grouping-unbound': {
    kind: 'unsupported',
    says: 'No planner that is here can bind the grouping of a policy.',
  },
  'uses-differ': { kind: 'policy', says: 'The code does not use the columns as its task says.' },
  'outputs-differ': {
    kind: 'policy',
    says: 'The outputs of the code are not those that its task says.',
  },
  'policy-refused': {
    kind: 'policy',
    says: 'A policy does not allow the uses of a task; task check says which rule.',
  },
  'column-not-granted': {
    kind: 'policy',
    says: 'A run reads a column that its task did not ask for.',
  },
  'column-not-sealed': {
    kind: 'verification',
    says: 'A granted column has no sealed key in the newest event of its dataset.',
  },
  // files of datasets
  'digest-tree-mismatch': {
    kind: 'verification',
    says: "The digests of a file's chunks do not come to the one on the ledger.",
  },
  'file-manifest-malformed': {
    kind: 'malformed',
    says: 'The list of the files of a dataset is malformed.',
  },
  'file-manifest-differs': {
    kind: 'verification',
    says: 'The list of the files of a dataset is not what its event says.',
  },
  'chunk-mismatch': {
    kind: 'verification',
    says: 'A chunk of a file is not what its digest says.',
  },
  'chunk-short': {
    kind: 'verification',
    says: 'A chunk of a file is shorter than its digest tree says.',
  },
  // events of one's own
  'event-void': {
    kind: 'policy',
    says: 'An event was appended and found void; the void code is told beside.',
  },
  // founding, and a node's own reading of the ledger
  'founding-charter-mismatch': {
    kind: 'verification',
    says: 'A charter is not the one that the genesis stands for.',
  },
  'founding-charter-malformed': { kind: 'malformed', says: 'Bytes are not a founding charter.' },
  'join-unknown': {
    kind: 'not-found',
    says: 'The ledger, as far as it is read here, has no such join.',
  },
  'state-malformed': {
    kind: 'malformed',
    says: 'The bytes are no state of the fold; fold the ledger again from its first entry.',
  },
  'state-schema': {
    kind: 'unsupported',
    says: 'The state was written under another schema than this release reads; fold again.',
  },
  'ledger-unreachable': {
    kind: 'unavailable',
    says: 'Nobody who serves the ledger answered; try again.',
  },
  'ledger-history-mismatch': {
    kind: 'verification',
    says: 'What was read of the ledger is not what the witnesses signed.',
  },
  'epoch-not-complete': {
    kind: 'not-found',
    says: 'An epoch, or a part of how its key came to be, is not on the ledger.',
  },
  'epoch-acknowledgements': {
    kind: 'verification',
    says: 'The acknowledgements of an epoch do not agree on its key.',
  },
  // evidence behind a join
  'environment-not-allowed': {
    kind: 'verification',
    says: 'The charter has no environment of this role for the node.',
  },
  'appraisal-failed': {
    kind: 'verification',
    says: 'The evidence of a node is not what the charter wants.',
  },
  'collateral-not-in-force': {
    kind: 'unavailable',
    says: 'The ledger has no collateral in force for this evidence; let a member add it.',
  },
  // policies and uses of columns
  'policy-malformed': coreError.rows['policy-malformed'],
  'policy-unknown-column': {
    kind: 'usage',
    says: 'A policy names a column that its dataset does not have.',
  },
  'policy-no-subject': {
    kind: 'usage',
    says: 'A policy has rules that need a subject column, and names none.',
  },
  'policy-no-minimum': {
    kind: 'usage',
    says: 'A policy lets groups be shown and names no smallest group.',
  },
  'policy-largest-unsupported': {
    kind: 'unsupported',
    says: 'A policy bounds the largest contribution, which is not handled.',
  },
  'uses-malformed': { kind: 'malformed', says: 'Bytes are not a list of uses.' },
  'uses-not-canonical': {
    kind: 'malformed',
    says: 'A list of uses is not sorted, or has one twice.',
  },
});

export type ContractErrorCode = ErrorCodeOf<typeof contractError>;

export type CharterErrorCode = Extract<ContractErrorCode, `charter-${string}`>;
