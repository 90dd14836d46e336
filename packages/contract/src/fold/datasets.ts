// SPDX-License-Identifier: Apache-2.0
// Datasets. The member who signs version 1 owns the dataset; versions go up by one. The owner may
// seal a version again, for a new group key or a new policy, never with other content; the newest
// event of a version replaces the ones before it. spec/events.md, "dataset".
import { equal, toHex } from '@cloister/core';
import type { EventBody } from '../events/bodies.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { addKeyOwner, epochNotAccepted } from './acceptance.ts';
import { takeLoad } from './load.ts';
import { activeEpochOf, memberByIdentity } from './lookup.ts';
import { judgeReserved } from './reserved.ts';
import type { DatasetVersion, Epoch, FoldState } from './state.ts';
import { judgeTurn } from './statements.ts';
import { type Verdict, voided } from './void-codes.ts';
import { isRetired } from './withdrawals.ts';

export function foldDataset(state: FoldState, event: AdmittedEvent<'dataset'>): Verdict {
  const { body } = event;
  const member = memberByIdentity(state, event.signer);
  if (member === undefined) return voided('not-a-member');
  const key = toHex(body.dataset);
  const dataset = state.datasets.get(key);
  if (dataset !== undefined && dataset.owner !== member.id) {
    return voided('dataset-not-owner', `owner is ${dataset.owner}, signer is ${member.id}`);
  }
  const later = judgeReserved({
    'dataset.kind': body.kind !== 'table',
    'dataset.unique': body.unique !== undefined,
  });
  if (later !== undefined) return later;
  if (isRetired(state, body)) return voided('dataset-retired');
  const newest = dataset?.newest ?? 0;
  if (body.version > newest + 1) {
    return voided('dataset-version-order', `got ${body.version}, wanted ${newest + 1}`);
  }
  const active = activeEpochOf(state);
  if (active === undefined) return voided('no-active-epoch');
  if (!equal(active.groupKey, body.groupKey)) return voided('dataset-group-key');
  const item = keyNotAccepted(state, member.id, active.epoch);
  if (item !== undefined) return voided('dataset-key-not-accepted', item);
  const before = dataset?.versions.get(body.version);
  const outOfTurn = judgeTurn(body, before?.event);
  if (outOfTurn !== undefined) return outOfTurn;
  const wrong = before === undefined ? undefined : judgeReseal(before, body);
  if (wrong !== undefined) return wrong;
  // A version that is sealed again takes the place of the one before it.
  const heavy = takeLoad(state, member.id, event.size - (before?.size ?? 0));
  if (heavy !== undefined) return heavy;
  addKeyOwner(state, member.id);
  const { size } = event;
  const now = { event: event.key, body, size, seq: state.seq, withdrawn: false };
  if (dataset === undefined) {
    const versions = new Map([[body.version, now]]);
    const whose = { owner: member.id, retired: false, reading: new Set<string>() };
    state.datasets.set(key, { ...whose, newest: body.version, versions });
  } else {
    dataset.versions.set(body.version, now);
    dataset.newest = Math.max(dataset.newest, body.version);
  }
  return undefined;
}

/**
 * What this owner has not accepted of the seats that hold the running key, or will: a reshare that
 * forms asked the owners of data under the key as it began, and asks nobody again.
 */
function keyNotAccepted(state: FoldState, owner: string, active: Epoch): string | undefined {
  const forming = state.epochs.get(state.formingEpoch ?? '');
  const next = forming?.from == null ? undefined : epochNotAccepted(state, owner, forming);
  return next ?? epochNotAccepted(state, owner, active);
}

function judgeReseal(before: DatasetVersion, now: EventBody<'dataset'>): Verdict {
  const was = before.body;
  const columns = (body: EventBody<'dataset'>): string => body.columns.map((c) => c.id).join();
  const sameFiles =
    equal(was.files.manifest, now.files.manifest) &&
    was.files.count === now.files.count &&
    was.files.length === now.files.length;
  if (was.rows !== now.rows || !sameFiles) {
    return voided('dataset-reseal-content', 'rows or files');
  }
  if (columns(was) !== columns(now) || !equal(was.schema, now.schema)) {
    return voided('dataset-reseal-content', 'columns or schema');
  }
  if (equal(was.groupKey, now.groupKey) && equal(was.policy, now.policy)) {
    return voided('dataset-reseal-same');
  }
  return undefined;
}
