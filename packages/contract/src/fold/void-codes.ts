// SPDX-License-Identifier: Apache-2.0
// Why an event is void. Codes are stable and never change meaning; each sentence says what was
// missing and what helps. A void event stays in the log at its position and changes nothing else.
// spec/events.md lists the same table.

export const VOID_CODES = {
  // any event
  'not-founded': 'No charter is in force; until every founder has signed one, only charters count.',
  'wrong-genesis': 'The event names another genesis than the charter in force.',
  'ledger-ended': 'The ledger is closed; what comes after its end counts nowhere.',
  duplicate: 'This very event has been judged before; a statement counts once.',
  'clock-not-set':
    'Too few witnesses have ticked, so the ledger has no time; let f+1 of them tick.',
  'not-a-member': 'The signing key is no identity key of a current member.',
  'not-a-node': 'The signing key belongs to no accepted join.',
  'statement-late':
    'The ledger has grown past the size that the statement had to land within; sign a new one.',
  'statement-window': 'The statement may land among too many entries; sign it for fewer.',
  'statement-not-next':
    "The statement does not follow on its author's newest one about this subject; sign a new one.",
  'field-reserved': 'The event uses a field that no rule of this version judges.',
  // charter
  'charter-not-a-founder': 'The signing key is no identity key of a member whom the charter names.',
  'charter-already-signed': 'This member has signed this charter before.',
  'charter-in-force': 'A charter is in force; a new one must be its next version.',
  'charter-version': 'The charter is not the next version of the one in force.',
  // amend, sign
  'amend-before': 'The amendment changes another charter than the one in force; make it over that.',
  'amend-nothing': 'The amendment changes nothing.',
  'amend-environment-widened':
    'An environment never comes to take more, but for measurements; name another environment.',
  'amend-member-returned': 'The name was that of a former member; take another.',
  'amend-key-used':
    'A new key was in the charter before, or a node has brought it; make a fresh one.',
  'amend-replaces': 'The amendment names a member as replaced that has the same keys in it.',
  'sign-unknown':
    'No amendment of this id is open: it is in force, overtaken, replaced or too old.',
  'sign-not-a-signer':
    'The key is no identity key of a member, or of one whom the amendment names.',
  'sign-witness': 'The witness key that spoke is not the one that the amendment gives the signer.',
  'sign-repeated': 'This signature adds nothing: the member has signed, its keys have spoken.',
  // tick, collateral
  'tick-not-a-witness': 'The signing key is no witness key of a current member.',
  'tick-not-newer': "The head that the tick names is not larger than in this witness's newest.",
  'tick-head-ahead': 'The tick names a head that the ledger has not reached.',
  'collateral-root': 'No environment of the charter has the root whose key made this part.',
  'collateral-evaluation': 'No environment takes this evaluation number of the maker.',
  'collateral-from-the-future':
    "The maker's own date is past the ledger's clock; send it again after the next ticks.",
  'collateral-expired': 'The part or its chain has ended by the clock; get what is served now.',
  'collateral-not-newer': 'A part of the same or a later date is here; dates only rise.',
  'collateral-quota': 'This member has brought as many subjects of this part as it may.',
  // join
  'join-charter-version': 'The node serves another version of the charter than the one in force.',
  'join-operator-unknown': 'The charter has no operator of this name.',
  'join-operator-key': 'The outer signature is not by the key of the operator that the join names.',
  'join-environment-unknown': "The join's environment is not in the charter.",
  'join-environment-role': 'The environment is for the other role.',
  'join-signers':
    'The environment takes programs by their signer, which no rule of this version judges.',
  'join-cage': 'The environment asks for a stronger cage than any that is built.',
  'join-evidence-also':
    'The environment asks for further evidence, which no rule of this version judges.',
  'join-hardware-not-enrolled': 'The hardware is not enrolled under this operator for this TEE.',
  'join-measurement-unknown': 'The environment does not take the measurement that the join names.',
  'join-key-reused':
    "The signing key is an earlier node's, or a key of the node belongs to the charter.",
  'join-fields':
    'A worker names task and run and shows its ticket; a keeper has none of these, and no place.',
  'join-ticket':
    "The ticket is not the proposer's for this task, run and operator; ask it for a run.",
  'join-ticket-expired': 'The ticket has expired; ask the proposer for another run.',
  // keys
  'epoch-forming': 'Another epoch is forming; wait until it is active or has ended.',
  'epoch-seats': 'The number of joins is not the number of keepers in the charter.',
  'epoch-join-unknown': 'A join named here was not accepted.',
  'epoch-join-not-keeper': "A join named here is a worker's.",
  'epoch-join-repeated': 'A join is named twice; each takes one seat.',
  'epoch-join-excluded': 'A join named here was at fault in an earlier attempt; let it join again.',
  'epoch-join-outdated': 'A join named here is not allowed by the charter in force.',
  'epoch-owner-not-accepted':
    'An owner of data under this key has not accepted a seat or rule; it signs, or make a new key.',
  'epoch-vendor-rule': 'The seats break the vendor rule: some root families hold too many.',
  'epoch-operator-rule': 'The seats break the operator rule: one operator holds too many.',
  'epoch-from-not-active': 'Only the active epoch can be reshared.',
  'epoch-dealers-few': 'Too few of these joins hold a share of the epoch to reshare it.',
  'consent-unknown': 'No open proposal of this id is here; it is over, late or was replaced.',
  'consent-repeated': 'This member wants this epoch already.',
  'epoch-unknown': 'No epoch of this id was accepted.',
  'epoch-not-forming': 'This epoch is not forming any more.',
  'epoch-phase': 'The epoch is in another phase.',
  'seat-not-signer': 'The seat is not held by the node that signed.',
  'seat-does-not-deal':
    'This seat holds no share of the epoch that is reshared, so it deals nothing.',
  'seat-already-done': 'This seat has done this step before.',
  'commit-hash': 'A seat that deals commits to its reveal, and no other seat does.',
  'commit-key-reused': "A receiving key is made for one attempt, and this one is the node's own.",
  'reveal-not-committed': 'What is revealed is not what this seat committed to.',
  'reveal-other-origin': 'The reveal is for a new key where a reshare is asked, or the reverse.',
  'reveal-degree': 'The reveal has another number of commitments than the threshold.',
  'reveal-deals-count': 'The reveal does not carry one deal for each seat.',
  'ack-group-key': 'A reshare keeps the group key, and this acknowledgement names another.',
  'complaint-not-dealt': 'The seat complained about has revealed nothing.',
  'abort-seat-unknown': 'The epoch has no such seat.',
  // dataset
  'no-active-epoch': 'No keepers hold a group key; form an epoch first.',
  'dataset-not-owner': 'Only the member who registered a dataset may add to it.',
  'dataset-version-order': 'Versions go up by one from 1.',
  'dataset-group-key': "The keys are sealed to another group key than the active epoch's.",
  'dataset-retired': 'The dataset or this version is retired; nothing is added to it.',
  'withdraw-version-unknown': 'The dataset has no such version.',
  'dataset-key-not-accepted':
    'The owner has not accepted a seat or rule of the active epoch; sign the charter in force.',
  'dataset-reseal-content': 'Sealing a version again must leave its files, rows, schema, columns.',
  'dataset-reseal-same': 'This version is already sealed to this group key under this policy.',
  // task
  'task-input-unknown': 'An input is no registered version of a dataset.',
  'task-input-retired': 'An input is retired; no task reads it any more.',
  'task-column-unknown': 'An input names a column that its dataset does not have.',
  'task-price-count': 'There must be one accepted price for each input.',
  'task-price-currency': "An accepted price is in another currency than the dataset's.",
  'task-price-low': "An accepted price is below the dataset's.",
  'task-recipient-unknown': 'A recipient is not a current member.',
  'task-operator-unknown': 'The task names an operator that the charter does not have.',
  'task-environment-unknown': 'The task names a worker environment that the charter does not have.',
  'task-measurement-unknown':
    'The charter accepts no worker with a measurement that the task names.',
  'task-engine-unknown': 'No environment that the task allows has the engine that it names.',
  'member-load':
    'The state keeps so much for a member, and no more: some of its tasks must end first.',
  'task-window': 'A task ends after it begins, and within 400 days.',
  'task-ended': 'The task has ended; propose it again.',
  'task-unknown': 'No task of this id was accepted.',
  // approve, decline
  'approve-not-owner': 'Only the owner of a dataset grants its columns.',
  'approve-not-asked': 'The grant names columns that the task does not ask for.',
  'approve-persons-many': 'As many persons as an input takes have approved it.',
  'approve-statements': 'The grant is for fewer statements than the task has.',
  'approve-standing':
    "What is granted of later versions is not this task's: dataset, columns or schema are others.",
  'approve-window-empty': 'The grant ends before it begins.',
  'approve-expired': 'The grant has ended before it is here.',
  'decline-not-owner': 'Only the owner of an input declines a task.',
  // worker join
  'join-task-unknown': 'The task that the worker joins was not accepted.',
  'join-operator-not-allowed': "The task does not allow this worker's operator.",
  'join-environment-not-allowed': "The task does not allow this worker's environment.",
  'join-measurement-not-allowed': "The task does not allow this worker's measurement.",
  'join-owner-not-accepted':
    'An owner of an input has not accepted what the charter gained; it signs it first.',
  'join-dataset-retired': 'An input is retired; nothing opens it any more.',
  'join-engine': 'The environment does not have the engine that the task names.',
  'join-run-reused': 'A run of this id exists; a run id is made fresh for each run.',
  'join-place':
    'A node of a distributed task names its place, from 1 to the number of nodes; others none.',
  'join-place-taken': 'Another node has this place in the run; a roster is never changed.',
  'join-run-unknown': 'No driver has opened this run; its join, at place 1, comes first.',
  'join-run-ended': 'The run has been recorded or has failed; its roster takes no more nodes.',
  'join-proposer-removed': 'The proposer of the task is no member any more.',
  'join-owner-removed': 'The owner of an input is no member any more, so its approvals are void.',
  'join-recipient-removed': 'A recipient of the task is no member any more.',
  'join-dataset-not-resealed':
    'An input is sealed to an older group key; its owner must seal again.',
  'join-unapproved': 'An input lacks approvals; its owner must approve the task.',
  'join-columns-not-granted': 'The approvals of an input leave out columns that the task asks for.',
  'join-version':
    'The run would read a version that is neither the one of its task nor the newest.',
  'join-version-not-granted':
    'The approvals of an input are not for the versions that the run would read.',
  'join-not-yet-valid': 'The approvals of an input are not valid yet.',
  'join-expired': 'The approvals of an input have expired; its owner must approve again.',
  'join-runs-open': 'As many runs of the task as may be are under way; wait until one ends.',
  'join-run-limit': 'The runs granted for an input are used up; its owner must approve again.',
  // run
  'run-unknown': 'No run of this id was accepted for this task and join.',
  'run-not-signer': 'The signing key is not the one of the worker that runs it.',
  'run-already-recorded': 'The usage of this run has been recorded.',
  'run-already-failed': 'This run has ended as failed.',
  'run-already-released': 'The result of this run has been released.',
  'usage-inputs-differ': 'The inputs recorded are not those of the task.',
  'usage-cage': 'The code was held by less than its environment asks for.',
  'usage-columns-not-asked': 'The run opened a column that its task does not ask for.',
  'usage-receipt-wrong':
    'A receipt is not by the seat that it names, for the nodes of this run, since its join.',
  'usage-receipts-few': 'Fewer seats than open a key have signed that they opened for this run.',
  'usage-place-gone': 'The charter in force has no place any more for the worker, or for a seat.',
  'usage-epoch': 'The epoch named was not active at any time during the run.',
  'released-usage-unknown': "The usage named is not this run's.",
  'refusal-not-seated': 'Only a keeper with a seat in an epoch that was active refuses.',
  'refusal-not-lasting':
    'The code is no verdict for good; what is missing, late or used up is asked again.',
  'refusal-repeated': 'This keeper has refused this join before.',
  // close
  'close-repeated': 'This member has said that the ledger ends there.',
  // entries that are no event
  inadmissible: 'The bytes are no event.',
} as const;

export type VoidCode = keyof typeof VOID_CODES;

/** A handler's "no": the code and, where it helps, what was got and wanted. */
export interface Voided {
  readonly code: VoidCode;
  readonly sentence: string;
}

/** A handler's answer: undefined when the event is accepted. */
export type Verdict = Voided | undefined;

export function voided(code: VoidCode, detail?: string): Voided {
  return { code, sentence: VOID_CODES[code] + (detail === undefined ? '' : ` (${detail})`) };
}
