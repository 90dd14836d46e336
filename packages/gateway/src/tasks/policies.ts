// SPDX-License-Identifier: Apache-2.0
// Another policy for a dataset that is there: said in words first, with what it does to tasks. A
// grant goes on where it could be given today; where not, the owner declines the task, so that
// nobody relies on keepers alone. spec/policy.md, "Another policy".
//
// Invariant: every version is compiled before one is published, and equal policies have one
// commitment, so that grants for any version are for all of them or for none.
import type { PolicyAnswer } from '@cloister/api';
import {
  commitTo,
  decodeSchema,
  type EventBody,
  grantsOf,
  type Input,
  isRetired,
  type Opening,
  type Task,
  type TaskContents,
} from '@cloister/contract';
import {
  decodePolicy,
  documentOf,
  encodePolicy,
  judge,
  type Policy,
  parsePolicyDocument,
  policyChanges,
} from '@cloister/contract/policy';
import { equal, fromHex, isCoded, toHex } from '@cloister/core';
import { type Gateway, publishAccepted, stateInForce } from '../context.ts';
import { compile, readDataset } from '../datasets/datasets.ts';
import { readDatasetOpenings } from '../datasets/openings.ts';
import { isKeyOf, meantBy, sealDataset } from '../datasets/seal.ts';
import { gatewayError } from '../errors.ts';
import { verifiedGroupKey } from '../keepers/key-check.ts';
import { recordedAnswer } from '../ledger/recorded.ts';
import type { VaultEntry } from '../vault.ts';
import { declineIfForbidden, exceeding, readTask } from './tasks.ts';

type Effect = PolicyAnswer['tasks'][number];

/** A version and the policy that it is to have. */
interface Change {
  readonly version: number;
  readonly body: EventBody<'dataset'>;
  readonly entry: VaultEntry;
  readonly before: Policy;
  readonly after: Policy;
  readonly opening: Opening;
}

/** The policy of a version in force, as a document. @throws CodedError `dataset-not-found` */
export async function showPolicy(gateway: Gateway, of: { dataset: string; version: number }) {
  const { dataset, version } = of;
  const body = stateInForce(gateway).datasets.get(dataset)?.versions.get(version)?.body;
  if (body === undefined) throw notFound(dataset);
  const { schema, policy } = await readDataset(gateway, body);
  return { dataset, version, name: schema.name, policy: documentOf(policy) };
}

/**
 * Sets a policy for the versions of a dataset of ours that are not retired, or for one of them;
 * declines the tasks whose grants end. With `dryRun` it answers what that would be.
 * @throws CodedError `dataset-not-found`, `policy-…`, those of `verifiedGroupKey`, `event-void`
 */
export async function setPolicy(
  gateway: Gateway,
  wanted: { dataset: string; version?: number | undefined; policy: unknown; dryRun: boolean },
): Promise<PolicyAnswer> {
  const all = await changesOf(gateway, wanted);
  const real = all.filter(({ before, after }) => !samePolicy(before, after));
  const tasks = await effectsOf(gateway, real);
  const recorded = new Map<number, ReturnType<typeof recordedAnswer>>();
  if (!wanted.dryRun && real.length > 0) {
    const groupKey = await verifiedGroupKey(gateway);
    for (const { version, body, entry, after, opening } of real) {
      const { rows, files, price } = body;
      const own = { ...entry, ...(await meantBy(gateway, entry, body)), policy: opening };
      const parts = { groupKey, rows, files, price, approvals: after.approvals };
      const sealed = await sealDataset(gateway, own, parts);
      recorded.set(version, recordedAnswer(await publishAccepted(gateway, 'dataset', sealed)));
      await gateway.vault.put(own);
    }
    for (const { task, effect } of tasks) {
      const ends = effect === 'ends' || effect === 'declined';
      if (ends) await declineIfForbidden(gateway, fromHex(task));
    }
  }
  const versions = all.map(({ version, before, after }) => ({
    version,
    changes: policyChanges(before, after),
    recorded: recorded.get(version) ?? null,
  }));
  return { versions, tasks };
}

async function changesOf(
  gateway: Gateway,
  wanted: { dataset: string; version?: number | undefined; policy: unknown },
): Promise<Change[]> {
  const { dataset, version: only } = wanted;
  const state = stateInForce(gateway);
  const known = state.datasets.get(dataset);
  const bodies = [...(known?.versions ?? [])].filter(
    ([version, { body }]) => !isRetired(state, body) && (only ?? version) === version,
  );
  if (known?.owner !== gateway.card.id || bodies.length === 0) throw notFound(dataset);
  const document = parsePolicyDocument(wanted.policy);
  const vault = await gateway.vault.all();
  const openings: Opening[] = [];
  const changes: Change[] = [];
  for (const [version, { body }] of bodies) {
    const entry = vault.find(
      (one) => toHex(one.dataset) === dataset && one.version === version && isKeyOf(one, body),
    );
    if (entry === undefined) throw keysMissing(dataset, version);
    const opened = await readDatasetOpenings(gateway, body);
    const after = await compile(gateway, document, decodeSchema(opened.schema.value));
    const value = encodePolicy(after);
    const ports = { crypto: gateway.crypto, random: gateway.random };
    const opening =
      [opened.policy, ...openings].find((one) => equal(one.value, value)) ??
      commitTo(value, ports).opening;
    openings.push(opening);
    changes.push({
      version,
      body,
      entry,
      before: decodePolicy(opened.policy.value),
      after,
      opening,
    });
  }
  return changes;
}

/** What the change does to the tasks that ask for these versions and have not ended. */
async function effectsOf(gateway: Gateway, changes: readonly Change[]): Promise<Effect[]> {
  const state = stateInForce(gateway);
  const effects: Effect[] = [];
  for (const [key, task] of state.tasks) {
    const at = task.body.inputs.map((input) => changes.find((one) => isOf(one, input)));
    if (state.clock >= task.body.until || at.every((one) => one === undefined)) continue;
    let contents: TaskContents;
    try {
      ({ contents } = await readTask(gateway, key));
    } catch (error) {
      // What cannot be read is declined or judged later, as it would be without this.
      if (!isCoded(error)) throw error;
      continue;
    }
    const effect = effectOn(gateway, { task, contents, at });
    const purpose = contents.facts.purpose;
    if (effect !== undefined) effects.push({ task: key, purpose, ...effect });
  }
  return effects;
}

function effectOn(
  gateway: Gateway,
  of: { task: Task; contents: TaskContents; at: readonly (Change | undefined)[] },
): Omit<Effect, 'task' | 'purpose'> | undefined {
  const { task, contents, at } = of;
  const judged = (policies: readonly Policy[]) =>
    judge({ uses: contents.uses, policies, task: contents.facts }).findings.find(
      ({ input }) => at[input] !== undefined,
    );
  const after = judged(contents.policies.map((policy, i) => at[i]?.after ?? policy));
  const own = task.body.inputs.flatMap((input, i) => {
    const change = at[i];
    return change === undefined ? [] : [{ change, place: i, grants: grantsOf(task, input) }];
  });
  const granted = own.some(({ grants }) => grants.length > 0);
  const why = after && { code: after.code, sentence: after.sentence };
  if (!granted) {
    const declined = task.declines.has(gateway.card.id);
    if (after === undefined) {
      const before = judged(contents.policies);
      const allowed = declined && before !== undefined;
      return allowed ? { effect: 'allowed', laterEnd: false } : undefined;
    }
    return declined ? undefined : { effect: 'declined', ...why, laterEnd: false };
  }
  const laterEnd = own.some(({ place, grants }) =>
    grants.some((g) => (g.standing[place] ?? 0) > 0),
  );
  if (why !== undefined) return { effect: 'ends', ...why, laterEnd };
  const now = gateway.clock.now();
  for (const { change, place } of own) {
    const input = task.body.inputs[place] as Input;
    const sentence = exceeding(change.after.limits, { task, input, now });
    if (sentence === undefined) continue;
    return { effect: 'ends', code: 'grant-exceeds-policy', sentence, laterEnd };
  }
  const few = own.find(({ change, grants }) => grants.length < change.after.approvals);
  if (few === undefined) return { effect: 'stays', laterEnd };
  const sentence = `${few.grants.length} of ${few.change.after.approvals} persons have approved it`;
  return { effect: 'waits', code: 'join-unapproved', sentence, laterEnd };
}

function isOf({ version, body }: Change, input: Input): boolean {
  return input.version === version && equal(input.dataset, body.dataset);
}

function samePolicy(a: Policy, b: Policy): boolean {
  return equal(encodePolicy(a), encodePolicy(b));
}

function notFound(dataset: string) {
  const message = `no dataset ${dataset.slice(0, 16)} of yours, or version of it, stands here`;
  return gatewayError('dataset-not-found', message);
}

function keysMissing(dataset: string, version: number) {
  const message =
    `the vault has no keys of version ${version} of ${dataset.slice(0, 16)}: restore it from a ` +
    'backup, or replace the dataset';
  return gatewayError('home-malformed', message);
}
