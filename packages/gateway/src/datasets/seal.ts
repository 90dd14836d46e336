// SPDX-License-Identifier: Apache-2.0
// Master keys sealed to the group key, each column's on its own: for a new dataset, and again for
// every dataset of ours when the keepers hold another key.
//
// Invariant: nothing is sealed again before the key has been checked (key-check.ts).

import type { DatasetVersion, Opening, Said } from '@cloister/contract';
import { activeEpochOf, isRetired, versionOf } from '@cloister/contract';
import { equal, toHex } from '@cloister/core';
import { encodeLabel } from '@cloister/threshold';
import { sealMasterKey } from '@cloister/threshold/node';
import { type Gateway, publish, refuseVoid, stateInForce } from '../context.ts';
import { verifiedGroupKey } from '../keepers/key-check.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import type { VaultEntry } from '../vault.ts';
import { readDatasetOpenings, sealForMembers } from './openings.ts';

/**
 * Seals every dataset of ours again that is sealed to another than the active group key, once that
 * has been checked. Answers the entries that were made.
 * @throws CodedError those of `verifiedGroupKey`: nothing has been sealed then
 */
export async function resealDatasets(gateway: Gateway): Promise<EntryRecord[]> {
  const due = (await gateway.vault.all()).filter((entry) => isSealedElsewhere(gateway, entry));
  if (due.length === 0) return [];
  const groupKey = await verifiedGroupKey(gateway);
  const records: EntryRecord[] = [];
  for (const entry of due) {
    const version = versionOf(stateInForce(gateway), entry) as DatasetVersion;
    const { rows, files, price, approvals } = version.body;
    const own = { ...entry, ...(await meantBy(gateway, entry, version.body)) };
    const body = await sealDataset(gateway, own, { groupKey, rows, files, price, approvals });
    const record = await publish(gateway, 'dataset', body);
    // Asked for by hand and by itself at once: one of the two is enough.
    if (record.code === 'dataset-reseal-same') continue;
    refuseVoid(record, 'dataset');
    records.push(record);
  }
  return records;
}

/** Whether the ledger has this version under another key than the active one. */
function isSealedElsewhere(gateway: Gateway, entry: VaultEntry): boolean {
  const state = stateInForce(gateway);
  const active = activeEpochOf(state);
  const sealed = versionOf(state, entry);
  if (sealed === undefined || active === undefined || isRetired(state, entry)) return false;
  if (!isKeyOf(entry, sealed.body)) return false;
  return toHex(sealed.body.groupKey) !== toHex(active.groupKey);
}

/**
 * Schema and policy of a version as the ledger has them. The vault has what it began with; a policy
 * that was set since is not taken back by sealing again.
 */
export async function meantBy(
  gateway: Gateway,
  entry: VaultEntry,
  body: DatasetVersion['body'],
): Promise<Pick<VaultEntry, 'schema' | 'policy'>> {
  const { schema, policy } = entry;
  const digest = (of: Opening) => gateway.crypto.digest('sha256', of.salt, of.value);
  const same = equal(digest(schema), body.schema) && equal(digest(policy), body.policy);
  return same ? { schema, policy } : readDatasetOpenings(gateway, body);
}

/** Whether these keys are those of the files that an event names, and no other attempt's. */
export function isKeyOf(
  { attempt, manifest }: VaultEntry,
  { files }: Pick<Said<'dataset'>, 'files'>,
): boolean {
  return attempt === undefined || (manifest !== undefined && equal(manifest, files.manifest));
}

export type SealedParts = Pick<
  Said<'dataset'>,
  'groupKey' | 'rows' | 'files' | 'price' | 'approvals'
>;

/** The dataset event: a sealed key a column, commitments, and the openings for all members. */
export async function sealDataset(
  gateway: Gateway,
  entry: VaultEntry,
  parts: SealedParts,
): Promise<Said<'dataset'>> {
  const { dataset, version, schema, policy } = entry;
  const commitments = {
    schema: gateway.crypto.digest('sha256', schema.salt, schema.value),
    policy: gateway.crypto.digest('sha256', policy.salt, policy.value),
  };
  const columns: { id: number; sealed: Uint8Array }[] = [];
  for (const [id, masterKey] of [...entry.keys].sort(([a], [b]) => a - b)) {
    const label = encodeLabel({
      genesis: gateway.genesis,
      groupKey: parts.groupKey,
      owner: gateway.card.id,
      dataset,
      version,
      column: id,
      policy: commitments.policy,
    });
    const sealed = sealMasterKey({
      groupKey: parts.groupKey,
      label,
      masterKey,
      random: gateway.random,
    });
    columns.push({ id, sealed: await gateway.blobs.put(sealed) });
  }
  const members = stateInForce(gateway).charter.members;
  const openings = await sealForMembers(gateway, members, { schema, policy });
  return { dataset, version, kind: 'table', ...parts, columns, ...commitments, openings };
}
