// SPDX-License-Identifier: Apache-2.0
// The guards that `--mutants` switches off, one at a time and in every node, and what stands behind
// each name. How a wrapper in this folder switches each off: mutants.ts, rogue.ts and the nodes'
// files. Nothing that ships can be told to skip a check.
import type { Adversary } from './adversaries.ts';

export const GUARDS = {
  // A keeper's decision to open (keeper/open.ts).
  freshness: 'the note holds a challenge that this keeper drew for this join and never saw used',
  quorum: 'q witnesses signed the note',
  'own-witness': 'the witness of every opened column’s owner is among them',
  'one-head': 'all signed one text',
  genesis: 'the head is of this charter',
  'own-history': 'a head that is not ahead is one of the keeper’s own past',
  'run-ended': 'the run is open',
  'evidence-expiry': 'the evidence has not run out',
  openings: 'what the worker shows is what the ledger has commitments to',
  policy: 'the owners’ policies allow the uses',
  'column-grant': 'the run reads no column that was not asked for',
  pi: 'whoever sealed a key knows its exponent, under this very label',
  roster: 'a distributed run opens for nobody before all of its nodes have joined',
  'roster-match': 'every node of a roster is what charter and task name, not the asking one alone',
  // Appraisal (contract/reading/appraise-join.ts, a stand-in here).
  'maker-signature': 'the maker signed the evidence',
  measurement: 'the program is one of the charter’s',
  debug: 'no debugger can look in',
  'report-data': 'the evidence is over this join’s keys',
  // The fold (contract/fold).
  approval: 'a join needs approvals',
  'run-limit': 'a grant pays for so many runs',
  withdrawal: 'nothing opens what its owner has withdrawn',
  versions: 'a run reads no version that the grants are not for',
  engine: 'a join needs the engine of its task',
  'owner-acceptance': 'what a charter gained touches no data whose owner has not signed for it',
  'seat-acceptance': 'no seat gets a running key that an owner under it has not signed for',
  standing: 'a join is good as long as the newest charter has its place',
  'departed-member': 'who an amendment took away is a member no more',
  'named-keys': 'keys that another has named, and not proved, shut nobody out',
  'amend-before': 'an amendment is of the charter in force, of no other',
  'open-amendments': 'one amendment in force ends all that were open',
  'signature-names': 'a signature is under the amendment that it names',
  'receipt-run': 'a receipt counts for the run that it names',
  'receipt-epoch': 'a receipt counts under the key that it was opened with',
  'receipt-signature': 'a receipt counts as it was signed',
  'receipt-columns': 'no column counts that a receipt does not have',
  'receipt-seat': 'who signed a receipt holds its seat',
  'receipt-twice': 'one seat gives one receipt',
  'receipts-few': 'a usage record needs the receipts of t seats',
  'one-transcript': 'a key is in force when all seats acknowledged one transcript and key',
  // The key ceremony (keeper/ceremony.ts, contract/fold/epochs.ts, threshold).
  'seat-appraisal': 'no deal goes to a seat whose evidence was not appraised',
  'reveal-commit': 'a dealer reveals what it committed to',
  'proof-of-knowledge': 'a dealer knows its constant',
  'deal-check': 'a deal fits its dealer’s commitments',
  'reshare-constant': 'in a reshare a dealer deals its old share',
  // Following (contract/reading/checkpoint-follower.ts).
  'checkpoint-quorum': 'a head is followed when q witnesses signed it',
  'retired-keys': 'once a charter with other witness keys is followed, old ones sign nothing',
  'handover-quorum': 'a change of witnesses is crossed when enough of those before signed past it',
  'in-turn': 'no gateway is the first to be asked for long, nor the only one',
  root: 'entries are folded when the tree over them has the signed root',
  // Blobs of gateways (api/http-blobs.ts, contract/blob-bounds.ts, attested/join.ts).
  'blob-digest': 'a blob is the one that was named',
  'blob-bound': 'no more is read than such a blob may have',
  'blob-step': 'the next gateway is asked when one takes long',
  'blob-spread': 'evidence goes to more gateways than may lie',
  // A worker (worker/run.ts, keys.ts).
  'uses-again': 'the code uses the columns as its task says',
  'answer-receipt': 'an answer counts with a receipt that the ledger will take',
  'result-takers': 'one gateway that takes no result keeps it from nobody',
  'usage-receipt': 'no result before the usage record is cosigned',
  blame: 'wrong answers are told from right ones by their proofs',
} as const satisfies Readonly<Record<string, string>>;

export type Guard = keyof typeof GUARDS;

/** Those that are one refusal of a guarded source, by its name in `npm run guards -- --list`. */
export const REFUSALS: Readonly<Partial<Record<Guard, string>>> = {
  freshness: 'tlog/freshness.ts verifyFreshness freshness-challenge-missing',
  quorum: 'tlog/witness-set.ts checkEnough quorum-not-met',
  'own-witness': 'tlog/witness-set.ts checkEnough required-witness-missing',
  'one-head': 'keeper/open.ts mergeAll freshness-notes-differ',
  genesis: 'tlog/freshness.ts verifyFreshness freshness-genesis-mismatch',
  'own-history': 'keeper/open.ts checkFreshness follower.syncTo()',
  'run-ended': 'contract/fold/rights.ts rightsOfJoin run-ended',
  'evidence-expiry': 'keeper/open.ts checkEvidence evidence-expired',
  policy: 'keeper/open.ts checkPolicy refusedBy',
  'column-grant': 'contract/openings/opened-columns.ts openedColumns column-not-granted',
  roster: 'contract/fold/rights.ts rightsOfJoin roster-incomplete',
  'roster-match': 'keeper/open.ts checkTimes checkEvidence()',
  measurement: 'contract/reading/appraise-join.ts JoinAppraiser.#policy measurements',
  debug: 'contract/reading/appraise-join.ts JoinAppraiser.#policy debug',
  'report-data': 'contract/reading/appraise-join.ts JoinAppraiser.#policy reportData',
  'uses-again': 'contract/openings/planned-again.ts planSame uses-differ',
};

/** Who reaches it, where few seeds do by themselves: called by name when the mutant is hunted. */
export const ATTACKERS: Readonly<Partial<Record<Guard, Adversary>>> = {
  'owner-acceptance': 'widens-over-owner',
  'seat-acceptance': 'widens-over-owner',
  standing: 'goes-on',
  'departed-member': 'goes-on',
  'named-keys': 'squats-keys',
  'amend-before': 'replays-signatures',
  'open-amendments': 'replays-signatures',
  'signature-names': 'replays-signatures',
  'retired-keys': 'retired-witnesses',
  'handover-quorum': 'retired-witnesses',
};

export const GUARD_NAMES = Object.keys(GUARDS) as readonly Guard[];
