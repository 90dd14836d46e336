// SPDX-License-Identifier: Apache-2.0
// Refusals that nothing can notice, because without them the same is refused: each with its reason.
// An entry whose mutant is noticed, or is not there any more, fails a run.

/** @type {Readonly<Record<string, string>>} */
export const EQUIVALENT = {
  'contract/fold/rights.ts rightsOfJoin no-active-epoch':
    'judgeRun has refused it as that; it asks the same reader of the state',
  'contract/fold/rights.ts rightInput return []': 'judgeRun has refused it as join-unapproved',
  'contract/fold/rights.ts rightInput return [] without version === undefined':
    'judgeRun has refused it as join-unapproved',
  'contract/fold/rights.ts rightInput return [] without owner === undefined':
    'judgeRun has refused it as join-unapproved',
  'contract/reading/appraise-join.ts JoinAppraiser.#policy kinds':
    'only evidence of this kind verifies at all as this kind, and claims are of the kind verified',
  'contract/reading/appraise-join.ts JoinAppraiser.#policy bindings':
    'where nothing is bound the report data is empty, which is refused as another one',
  'gateway/tasks/policies.ts effectsOf passed over without at.every((one) => one === undefined)':
    'findings on no version that changes are no effects; this only spares reading such tasks',
  'gateway/datasets/removal.ts neededOf passed over without event === undefined':
    'an entry that is no event is void',
  'gateway/tasks/policies.ts setPolicy declineIfForbidden()':
    'the duty that hears of the policy declines as well; this has it done before the answer',
  'gateway/datasets/replacing.ts replaceable dataset-not-found without body === undefined':
    'the newest version of a dataset that stands is in the state',
  'contract/fold/acceptance.ts addKeyOwner accepted === null':
    'what was frozen for an owner asks for more than an entry from now on would',
};
