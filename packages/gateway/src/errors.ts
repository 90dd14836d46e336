// SPDX-License-Identifier: Apache-2.0
// The codes that a gateway adds to those of the packages it uses: what each means and what kind of
// failure it is. Codes for files that cannot become a dataset are in ingest/errors.ts.
import { type ErrorCodeOf, errorTable } from '@cloister/core';
import { tlogError } from '@cloister/tlog';

/** A CodedError of this package. */
export const gatewayError = errorTable({
  // its home and its start
  'home-exists': { kind: 'conflict', says: 'The folder already holds a member or an operator.' },
  'home-missing': {
    kind: 'not-found',
    says: 'The folder holds no member or operator: see org init.',
  },
  'home-malformed': {
    kind: 'malformed',
    says: 'A file in the folder is not what was written there.',
  },
  'home-permissions': {
    kind: 'policy',
    says: 'A file with secrets is open to others; chmod 600 it.',
  },
  'adapter-unknown': {
    kind: 'unsupported',
    says: 'No ledger or engine is of the kind that gateway.json names.',
  },
  'gateway-address-taken': {
    kind: 'unavailable',
    says: 'The gateway cannot listen on its address: is another running?',
  },
  'amendment-unknown': {
    kind: 'not-found',
    says: 'No amendment of this id waits for signatures here (cloister charter status).',
  },
  'keys-not-prepared': {
    kind: 'usage',
    says: 'There are no new keys to be taken into use: make some first (cloister org rotate).',
  },
  'charter-mismatch': {
    kind: 'verification',
    says: 'The charter in the folder is not the one in force.',
  },
  'witness-state-missing': tlogError.rows['witness-state-missing'],
  'witness-key-reused': {
    kind: 'verification',
    says: 'The witness key signs elsewhere too: two copies of it would differ.',
  },
  // serving
  'gateway-overloaded': {
    kind: 'unavailable',
    says: 'The gateway has as much to do as it takes on; try again shortly.',
  },
  'gateway-disk-full': {
    kind: 'unavailable',
    says: "The gateway's disk has not as much room as a file needs: free some.",
  },
  'gateway-quota-exceeded': {
    kind: 'unavailable',
    says: 'Who asks has asked more than its share; wait as long as is told.',
  },
  'gateway-behind': {
    kind: 'unavailable',
    says: 'The gateway has not read the ledger as far as is asked; try again.',
  },
  'charter-not-in-force': {
    kind: 'unavailable',
    says: 'Not every founder has signed the charter yet.',
  },
  // the ledger and the witness
  'ledger-two-histories': {
    kind: 'verification',
    says: 'Two gateways show different histories of the ledger.',
  },
  'ledger-follow-failed': {
    kind: 'unavailable',
    says: "Following the ledger failed; the gateway's log has the cause.",
  },
  'witness-head-stale': {
    kind: 'conflict',
    says: 'The witness has signed a later head; ask for that one.',
  },
  'witness-refused': {
    kind: 'verification',
    says: 'The witness does not sign: the head does not follow from its last.',
  },
  'quorum-unreachable': {
    kind: 'unavailable',
    says: 'Too few witnesses answered to make a quorum; try again.',
  },
  // datasets
  'dataset-not-found': { kind: 'not-found', says: 'No dataset of this name is on the ledger.' },
  'dataset-openings-too-long': {
    kind: 'malformed',
    says: 'Names of columns and policy are too long to be sealed to every member.',
  },
  'dataset-name-taken': {
    kind: 'conflict',
    says: 'A dataset of this name exists or is being added.',
  },
  'dataset-files-differ': {
    kind: 'usage',
    says: 'The files of one dataset have different columns.',
  },
  'dataset-schema-differs': {
    kind: 'usage',
    says: 'The files have other columns or types than the version that they replace.',
  },
  'dataset-replaced': {
    kind: 'conflict',
    says: 'Another version has come meanwhile; look at it, and ask again.',
  },
  'dataset-interrupted': {
    kind: 'unavailable',
    says: 'The gateway stopped while the dataset was added; add it again.',
  },
  'dataset-job-not-found': {
    kind: 'not-found',
    says: 'No work on a dataset of this id is known here.',
  },
  'no-group-key': {
    kind: 'unavailable',
    says: 'No group key is in force; form an epoch of keepers first.',
  },
  'upload-in-use': { kind: 'conflict', says: 'The upload is being made into a dataset.' },
  'upload-not-found': { kind: 'not-found', says: 'No upload of this id is here.' },
  'upload-too-large': { kind: 'usage', says: 'The upload is larger than the gateway takes.' },
  // tasks and results
  'task-not-found': { kind: 'not-found', says: 'No task of this id is on the ledger.' },
  'task-not-yours': {
    kind: 'usage',
    says: 'Only the proposer of a task, or the owner of an input, can do this.',
  },
  'task-malformed': { kind: 'usage', says: 'The request is no task.' },
  'grant-exceeds-policy': {
    kind: 'policy',
    says: 'A grant is longer or for more runs than the policy allows.',
  },
  'openings-not-for-you': {
    kind: 'policy',
    says: "Openings go to the worker of the join, from the task's proposer.",
  },
  'worker-not-accepted': {
    kind: 'verification',
    says: 'The evidence of the worker does not stand.',
  },
  'worker-not-appraised': {
    kind: 'unavailable',
    says: 'The worker of the run could not be appraised here yet; try again.',
  },
  'result-not-found': { kind: 'not-found', says: 'No released result of this run is here.' },
  'result-not-for-you': { kind: 'policy', says: 'The result is sealed to other recipients.' },
  'result-parts-differ': {
    kind: 'verification',
    says: 'The parts of a result file have not the same columns: its worker made it so.',
  },
  'result-many-statements': {
    kind: 'usage',
    says: 'The result has several statements; say which one.',
  },
  // keepers
  'epoch-impossible': { kind: 'conflict', says: 'The keepers that stand cannot form an epoch.' },
  'epoch-holders-few': {
    kind: 'conflict',
    says: 'Too few keepers that hold a share stand to hand the key on.',
  },
  'keeper-not-standing': {
    kind: 'verification',
    says: 'The evidence of a keeper of the epoch does not stand.',
  },
});

export type GatewayErrorCode = ErrorCodeOf<typeof gatewayError>;
