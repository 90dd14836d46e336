// SPDX-License-Identifier: Apache-2.0
// The codes of this package: what each means and what kind of failure it is.
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const attesterError = errorTable({
  // launching
  'launcher-absent': { kind: 'usage', says: 'The node was not started by a launcher.' },
  'launcher-lost': {
    kind: 'unavailable',
    says: "The other end of the launcher's channel is gone.",
  },
  'launcher-protocol': {
    kind: 'unavailable',
    says: "The other end of the launcher's channel did not answer as agreed.",
  },
  'launcher-timeout': {
    kind: 'unavailable',
    says: "The other end of the launcher's channel did not answer in time.",
  },
  'program-unreadable': {
    kind: 'not-found',
    says: 'The program of a node cannot be read, so it cannot be measured.',
  },
  'program-unmeasurable': {
    kind: 'unsupported',
    says: 'What a node would run cannot be told from its files, so it is not started.',
  },
  'program-changed': {
    kind: 'conflict',
    says: 'A file of a program changed between measuring and starting.',
  },
  'program-folder-unusable': {
    kind: 'unavailable',
    says: 'There is no folder that measured programs can be started from.',
  },
  'make-unknown': { kind: 'usage', says: 'No simulated hardware of this make is known.' },
  'node-start-failed': {
    kind: 'unavailable',
    says: 'A node ended before it was ready; its last words are told beside.',
  },
  // evidence
  'quote-refused': {
    kind: 'usage',
    says: 'The hardware is asked for evidence over other than it can sign.',
  },
  'quote-mismatch': {
    kind: 'verification',
    says: 'The hardware answered evidence over something else.',
  },
  'join-refused': { kind: 'policy', says: 'The operator does not sign this join.' },
  // TPMs
  'tpm-address-malformed': {
    kind: 'usage',
    says: 'An address names no TPM that can be spoken to.',
  },
  'tpm-unavailable': { kind: 'unavailable', says: 'The TPM cannot be opened or does not answer.' },
  'tpm-timeout': { kind: 'unavailable', says: 'The TPM did not answer in time.' },
  'tpm-response-malformed': { kind: 'malformed', says: 'The TPM answered out of form.' },
  'tpm-refused': {
    kind: 'policy',
    says: 'The TPM refuses a command, with the response code told beside.',
  },
  'tpm-busy': { kind: 'unavailable', says: 'The TPM warns that it cannot do this now; try again.' },
  'tpm-no-certificate': {
    kind: 'not-found',
    says: 'The TPM has no endorsement certificate of a known form.',
  },
  'tpm-key-mismatch': {
    kind: 'verification',
    says: 'A key is not the one that was enrolled: another TPM, or made anew.',
  },
  'tpm-activation-failed': {
    kind: 'verification',
    says: 'The TPM does not hold the keys that it shows.',
  },
  'tpm-registers-changed': {
    kind: 'conflict',
    says: "The platform's registers differ from when it was enrolled.",
  },
  'tpm-software-missing': {
    kind: 'unavailable',
    says: 'The programs of a software TPM are not installed.',
  },
  'tpm-software-failed': { kind: 'unavailable', says: 'A software TPM could not be started.' },
  // the kernel's report interface
  'tsm-unavailable': {
    kind: 'unavailable',
    says: "The kernel's configfs-tsm cannot be used or does not answer.",
  },
  'tsm-provider-unsupported': {
    kind: 'unsupported',
    says: "The kernel's configfs-tsm is for hardware that is not handled.",
  },
  'tsm-refused': {
    kind: 'policy',
    says: 'The kernel refuses a step of a report, with the error told beside.',
  },
  'tsm-busy': { kind: 'unavailable', says: 'The kernel cannot make a report now; try again.' },
  'tsm-response-malformed': { kind: 'malformed', says: 'The kernel answered out of form.' },
  'tsm-raced': {
    kind: 'unavailable',
    says: 'Another process changed the report while it was made; try again.',
  },
  // the Nitro security module
  'nsm-unavailable': { kind: 'unavailable', says: 'The Nitro security module cannot be opened.' },
  'nsm-timeout': { kind: 'unavailable', says: 'The Nitro security module did not answer in time.' },
  'nsm-refused': { kind: 'policy', says: 'The Nitro security module refuses a request.' },
  'nsm-response-malformed': {
    kind: 'malformed',
    says: 'The Nitro security module answered out of form.',
  },
});

export type AttesterErrorCode = ErrorCodeOf<typeof attesterError>;
