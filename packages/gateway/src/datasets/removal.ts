// SPDX-License-Identifier: Apache-2.0
// What nobody needs any more leaves the disk: plain files that no work uses, and of versions that
// are retired the files and sealed keys, ours and what was fetched of others'. With `keys` our own
// master keys of such versions go as well, so that no copy of the files opens to us.
//
// Invariants: what an accepted event names otherwise stays (tasks, results, evidence, openings and
// lists of files, for bills and audits), and so does what a version that stands has in its list. A
// version is retired by the ledger, which ends its open runs; nothing reads it after. What other
// members, recipients and backups have is not undone by this.
import type { RemovalAnswer } from '@cloister/api';
import {
  BLOB_MOST,
  blobsNamed,
  type EventBody,
  isRetired,
  parseFileManifest,
} from '@cloister/contract';
import { fromHex, isCoded, toHex } from '@cloister/core';
import { type Gateway, stateInForce } from '../context.ts';
import { removeVaultEntry } from '../vault.ts';
import { readDataset } from './datasets.ts';
import { sweep } from './sweep.ts';

/** Plain files that have been touched since are perhaps being sent or opened. */
const STILL_MS = 600_000;

/** What of a retired version may go, by digest. */
interface Candidate {
  readonly body: EventBody<'dataset'>;
  readonly blobs: Set<string>;
}

/**
 * Removes it, or with `dryRun` says what would be. `inUse` are names of plain files that work under
 * way wants.
 * @throws CodedError `blob-io-failed`, `blob-not-found` where a list of our own files is missing
 */
export async function removeUnneeded(
  gateway: Gateway,
  options: { dryRun: boolean; keys: boolean; inUse: (name: string) => boolean },
): Promise<RemovalAnswer> {
  const { dryRun, keys, inUse } = options;
  const candidates = await candidatesOf(gateway);
  const needed = await neededOf(gateway);
  const vault = await gateway.vault.all();
  const datasets: RemovalAnswer['datasets'] = [];
  for (const { body, blobs } of candidates.values()) {
    const id = toHex(body.dataset);
    const { version } = body;
    const here = await lookAt(gateway, blobs, needed);
    const entries = vault.filter((one) => toHex(one.dataset) === id && one.version === version);
    const keysGo = keys && entries.length > 0;
    const owner = stateInForce(gateway).datasets.get(id)?.owner ?? '';
    const name = await nameOf(gateway, body);
    if (!dryRun) {
      for (const blob of here.goes) await gateway.blobs.remove(fromHex(blob));
      for (const entry of keysGo ? entries : []) await removeVaultEntry(gateway.home, entry);
    }
    const { goes, bytes, kept } = here;
    if (goes.length + kept === 0 && !keysGo) continue;
    const about = { dataset: id, version, owner, name };
    datasets.push({ ...about, blobs: goes.length, bytes, kept, keys: keysGo });
  }
  const ages = { uploads: STILL_MS, results: STILL_MS };
  const plain = dryRun ? null : await sweep(gateway.home, gateway.clock.now(), inUse, ages);
  return { datasets, plain };
}

/** Which of these blobs are here and may go, their bytes, and how many stay. */
async function lookAt(
  gateway: Gateway,
  blobs: Iterable<string>,
  needed: ReadonlySet<string>,
): Promise<{ goes: string[]; bytes: number; kept: number }> {
  const goes: string[] = [];
  let [bytes, kept] = [0, 0];
  for (const blob of blobs) {
    const size = await gateway.blobs.head(fromHex(blob));
    if (size === undefined) continue;
    if (needed.has(blob)) {
      kept += 1;
      continue;
    }
    goes.push(blob);
    bytes += size;
  }
  return { goes, bytes, kept };
}

/** Files, leaves and sealed keys of every retired version, of each of its events. */
async function candidatesOf(gateway: Gateway): Promise<Map<string, Candidate>> {
  const state = stateInForce(gateway);
  const found = new Map<string, Candidate>();
  for (let seq = 0; seq < gateway.follower.size; seq++) {
    const { status, event } = gateway.follower.record(seq) ?? {};
    if (status !== 'accepted' || event?.kind !== 'dataset') continue;
    const { body } = event;
    if (!isRetired(state, body)) continue;
    const key = `${toHex(body.dataset)}/${body.version}`;
    const known = found.get(key) ?? { body, blobs: new Set<string>() };
    for (const { sealed } of body.columns) known.blobs.add(toHex(sealed));
    found.set(key, known);
  }
  for (const { body, blobs } of found.values()) {
    for (const blob of await listed(gateway, body, false)) blobs.add(blob);
  }
  return found;
}

/** Every blob that something else than the files and keys of a retired version needs. */
async function neededOf(gateway: Gateway): Promise<Set<string>> {
  const state = stateInForce(gateway);
  const needed = new Set<string>();
  for (let seq = 0; seq < gateway.follower.size; seq++) {
    const { status, event } = gateway.follower.record(seq) ?? {};
    if (status !== 'accepted' || event === undefined) continue;
    if (event.kind === 'dataset' && isRetired(state, event.body)) {
      for (const one of [event.body.openings, event.body.files.manifest]) needed.add(toHex(one));
    } else {
      for (const [digest] of blobsNamed(event)) needed.add(toHex(digest));
    }
  }
  for (const { owner, versions } of state.datasets.values()) {
    for (const { body } of versions.values()) {
      if (isRetired(state, body)) continue;
      const mine = owner === gateway.card.id;
      for (const blob of await listed(gateway, body, mine)) needed.add(blob);
    }
  }
  return needed;
}

/** The files of a version and their leaves; none where the list is not here, or is garbled. */
async function listed(
  gateway: Gateway,
  { files }: EventBody<'dataset'>,
  must: boolean,
): Promise<string[]> {
  try {
    const bytes = await gateway.blobs.get(files.manifest, BLOB_MOST.manifest);
    return parseFileManifest(bytes).flatMap(({ blob, leaves }) => [toHex(blob), toHex(leaves)]);
  } catch (error) {
    if (must || !isCoded(error) || isCoded(error, 'blob-io-failed')) throw error;
    return [];
  }
}

async function nameOf(gateway: Gateway, body: EventBody<'dataset'>): Promise<string> {
  try {
    return (await readDataset(gateway, body)).schema.name;
  } catch (error) {
    if (!isCoded(error)) throw error;
    return `(not readable: ${error.code})`;
  }
}
