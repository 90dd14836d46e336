// SPDX-License-Identifier: Apache-2.0
// The codes of this package: what each means and what kind of failure it is. Callers match on
// codes; messages may change.
import { coreError, type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const thresholdError = errorTable({
  // bytes that do not parse
  'point-malformed': { kind: 'malformed', says: 'Bytes are not an uncompressed point of P-256.' },
  'point-not-on-curve': { kind: 'malformed', says: 'Two coordinates are no point of P-256.' },
  'point-infinity': {
    kind: 'malformed',
    says: 'A point is the point at infinity, which no format carries.',
  },
  'scalar-out-of-range': {
    kind: 'malformed',
    says: 'A number is not from 1 to below the order of the group.',
  },
  'label-malformed': { kind: 'malformed', says: 'Bytes are not the label of a sealed key.' },
  'sealed-key-malformed': { kind: 'malformed', says: 'Bytes are not a sealed key.' },
  'reveal-malformed': { kind: 'malformed', says: "Bytes are not a dealer's reveal." },
  'complaint-malformed': { kind: 'malformed', says: 'Bytes are not a complaint.' },
  'proof-malformed': coreError.rows['proof-malformed'],
  // proofs, signatures, digests and tags that do not hold
  'pi-invalid': {
    kind: 'verification',
    says: 'The proof of a sealed key does not hold under its label; nothing is opened.',
  },
  'pok-invalid': {
    kind: 'verification',
    says: 'A dealer has not proved that it knows what it deals.',
  },
  'commit-mismatch': {
    kind: 'verification',
    says: 'A reveal is not what its dealer committed to.',
  },
  'deal-invalid': {
    kind: 'verification',
    says: 'A deal is not on the polynomial of its dealer; complain.',
  },
  'group-key-infinity': {
    kind: 'verification',
    says: 'The constants of all dealers cancel out: there is no group key.',
  },
  'opening-tag-invalid': {
    kind: 'verification',
    says: 'The combined opening does not open the key: a part is wrong.',
  },
  'opening-infinity': { kind: 'verification', says: 'The parts cancel out: one of them is wrong.' },
  'hpke-open-failed': {
    kind: 'verification',
    says: 'Sealed bytes do not open: they are for another key or were changed.',
  },
  // right in itself, but of something else
  'reveal-other-charter': {
    kind: 'verification',
    says: 'A reveal or a share is of another charter.',
  },
  'reveal-other-epoch': { kind: 'verification', says: 'A reveal is of another epoch.' },
  'reveal-other-seat': { kind: 'verification', says: 'A reveal or a share is of another seat.' },
  'reveal-other-threshold': {
    kind: 'verification',
    says: 'A reveal has another number of commitments than the threshold.',
  },
  'reveal-other-origin': {
    kind: 'verification',
    says: 'A reveal is for a new key where a reshare is asked, or the reverse.',
  },
  'reshare-constant': {
    kind: 'verification',
    says: 'A dealer reshares something other than its old share.',
  },
  'reshare-group-key': {
    kind: 'verification',
    says: 'A reshare comes to another group key than the old one.',
  },
  'reveals-incomplete': {
    kind: 'verification',
    says: 'Reveals are missing, or one dealer has several.',
  },
  'deals-incomplete': { kind: 'verification', says: 'A seat has not one deal of every dealer.' },
  'label-other-charter': {
    kind: 'verification',
    says: "A sealed key is labelled for another charter than the share's.",
  },
  'label-other-key': { kind: 'verification', says: 'An opening is of another sealed key.' },
  // what the caller asked cannot be done
  'seat-duplicate': { kind: 'verification', says: 'A seat appears twice.' },
  'seat-out-of-range': {
    kind: 'malformed',
    says: 'A seat is not a whole number from 1 to the number of seats.',
  },
  'threshold-out-of-range': {
    kind: 'usage',
    says: 'The threshold is not from 1 to the number of seats.',
  },
  'partials-too-few': {
    kind: 'unavailable',
    says: 'Fewer parts have come than the threshold needs; ask more keepers.',
  },
  'argument-invalid': {
    kind: 'usage',
    says: 'An argument has not the form that the function asks for.',
  },
  'random-exhausted': { kind: 'unavailable', says: 'No usable number was drawn; try again.' },
  'secret-wiped': { kind: 'usage', says: 'A secret is used after it was wiped.' },
  'secret-not-serialisable': { kind: 'usage', says: 'A secret is never written out.' },
});

export type ThresholdErrorCode = ErrorCodeOf<typeof thresholdError>;
