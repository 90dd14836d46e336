// SPDX-License-Identifier: Apache-2.0
// Datasets of this member: from plain files to encrypted ones whose column keys are sealed, each on
// its own, to the group key. In this order, so that nothing acknowledged can be lost: keys into
// the vault, ciphertext into blobs, sealed keys into blobs, then the event.

import type { DatasetJob, DatasetJson } from '@cloister/api';
import {
  activeEpochOf,
  commitTo,
  type DatasetFile,
  type DatasetSchema,
  decodeSchema,
  type EventBody,
  encodeFileManifest,
  encodeSchema,
  filesSaid,
  isRetired,
  type Price,
} from '@cloister/contract';
import {
  bindGrouping,
  compilePolicy,
  decodePolicy,
  encodePolicy,
  type Policy,
  parsePolicyDocument,
} from '@cloister/contract/policy';
import { fromHex, isCoded, toHex } from '@cloister/core';
import { type Gateway, publishAccepted, stateInForce } from '../context.ts';
import { gatewayError } from '../errors.ts';
import { verifiedGroupKey } from '../keepers/key-check.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { FOOTER, type VaultEntry } from '../vault.ts';
import { asOneTable, type Choices, convertAll, type FilesSeen, inspectAll } from './convert-all.ts';
import { type EncryptStep, encryptFile } from './encrypt-file.ts';
import { readDatasetOpenings, refuseLongOpenings } from './openings.ts';
import { sealDataset } from './seal.ts';

const VERSION_1 = 1;

/** Files that become a version of a dataset. */
export interface FilesWanted extends Choices {
  /** Absolute paths of uploads of one schema. */
  readonly uploads: readonly string[];
}

export interface NewDataset extends FilesWanted {
  /** Its id: 16 random bytes. */
  readonly dataset: Uint8Array;
  readonly name: string;
  readonly policy: unknown;
  readonly price: Price;
}

/** What is being done, with which file (from 1; 0: with all), and how much of that is done. */
export interface AddStep {
  readonly state: Exclude<DatasetJob['state'], 'queued' | 'added' | 'failed'>;
  readonly file: number;
  readonly progress: DatasetJob['progress'];
}

/** Schema and policy of a version that is made: in clear, and as they are committed to. */
export interface Meaning {
  readonly schema: DatasetSchema;
  readonly policy: Policy;
  readonly openings: Pick<VaultEntry, 'schema' | 'policy'>;
}

/** A version to be made; what it means is known once its columns are. */
export interface VersionWanted extends FilesWanted {
  readonly dataset: Uint8Array;
  readonly version: number;
  readonly price: Price;
  readonly meaning: (columns: readonly { name: string; type: string }[]) => Promise<Meaning>;
}

/**
 * Converts, encrypts, seals and publishes a new dataset; answers the entry on the ledger. What can
 * be refused before the long work is. What `report` throws ends the work there.
 * @throws CodedError those of `makeVersion`, `policy-malformed`, `dataset-name-taken`
 */
export async function addDataset(
  gateway: Gateway,
  wanted: NewDataset,
  report: (step: AddStep) => void,
): Promise<EntryRecord> {
  const { name } = wanted;
  await verifiedGroupKey(gateway);
  await refuseTakenName(gateway, name);
  parsePolicyDocument(wanted.policy);
  const meaning: VersionWanted['meaning'] = async (columns) => {
    const schema = schemaOf(name, columns);
    const policy = await compile(gateway, wanted.policy, schema);
    return { schema, policy, openings: commitTogether(gateway, schema, policy) };
  };
  return makeVersion(gateway, { ...wanted, version: VERSION_1, meaning }, report);
}

/**
 * Makes a version of a dataset of files and publishes it; the keys are in the vault before.
 * @throws CodedError those of `convertAll` and `verifiedGroupKey`, `event-void`
 */
export async function makeVersion(
  gateway: Gateway,
  wanted: VersionWanted,
  report: (step: AddStep) => void,
): Promise<EntryRecord> {
  const { uploads } = wanted;
  const onFile = (file: number) => report({ state: 'converting', file, progress: null });
  const seen = asOneTable(await inspectAll(uploads, onFile), wanted);
  const { schema, policy, openings } = await meaningOf(gateway, wanted, seen);
  const { files: converted, rows } = await convertAll(uploads, seen, onFile);
  const entry = newEntry(gateway, { ...wanted, schema, openings });
  await gateway.vault.put(entry);
  const listed: DatasetFile[] = [];
  for (const [file, source] of converted.entries()) {
    const tell = (step: EncryptStep) => report({ ...step, file: file + 1 });
    listed.push(await encryptFile(gateway, { source, schema, entry, file }, tell));
  }
  report({ state: 'recording', file: 0, progress: null });
  const { price } = wanted;
  // The keepers may have made another key meanwhile.
  const groupKey = await verifiedGroupKey(gateway);
  const files = filesSaid(listed, await gateway.blobs.put(encodeFileManifest(listed)));
  if (entry.attempt !== undefined) await gateway.vault.put({ ...entry, manifest: files.manifest });
  const parts = { groupKey, rows, files, price, approvals: policy.approvals };
  return publishAccepted(gateway, 'dataset', await sealDataset(gateway, entry, parts));
}

/** What a version of these files means, before anything is made of them. */
async function meaningOf(
  gateway: Gateway,
  wanted: VersionWanted,
  { columns }: FilesSeen,
): Promise<Meaning> {
  const meaning = await wanted.meaning(columns);
  refuseLongOpenings(gateway, meaning.openings);
  return meaning;
}

/** Commitments to both, under fresh salts. */
export function commitTogether(
  gateway: Gateway,
  schema: DatasetSchema,
  policy: Policy,
): Meaning['openings'] {
  const ports = { crypto: gateway.crypto, random: gateway.random };
  return {
    schema: commitTo(encodeSchema(schema), ports).opening,
    policy: commitTo(encodePolicy(policy), ports).opening,
  };
}

function newEntry(
  gateway: Gateway,
  of: Pick<VersionWanted, 'dataset' | 'version'> & Pick<Meaning, 'schema' | 'openings'>,
): VaultEntry {
  const { dataset, version, schema, openings } = of;
  const ids = [FOOTER, ...schema.columns.map((c) => c.id)];
  return {
    dataset,
    version,
    name: schema.name,
    keys: new Map(ids.map((id) => [id, gateway.random.bytes(32)])),
    ...openings,
    ...(version === VERSION_1 ? {} : { attempt: gateway.random.bytes(8) }),
  };
}

/** Every dataset on the ledger, as this member may read it. */
export async function listDatasets(gateway: Gateway): Promise<DatasetJson[]> {
  const state = stateInForce(gateway);
  const current = activeEpochOf(state)?.groupKey;
  const found: DatasetJson[] = [];
  for (const [id, { owner, versions }] of state.datasets) {
    for (const [version, { body }] of versions) {
      const { dataset } = body;
      const { name, columns } = await describe(gateway, body);
      found.push({
        dataset: id,
        version,
        owner,
        name,
        rows: body.rows,
        bytes: body.files.length,
        columns,
        price: body.price,
        approvals: body.approvals,
        groupKey:
          current != null && toHex(current) === toHex(body.groupKey) ? 'current' : 'superseded',
        retired: isRetired(state, { dataset, version }),
      });
    }
  }
  return found;
}

/**
 * Withdraws a version of a dataset of ours for good, or the whole dataset; its keys stay in the
 * vault. @throws CodedError `dataset-not-found`, `event-void`
 */
export async function withdrawDataset(
  gateway: Gateway,
  of: { dataset: string; version?: number | undefined },
): Promise<EntryRecord> {
  const { dataset, version } = of;
  const known = stateInForce(gateway).datasets.get(dataset);
  if (known === undefined || (version !== undefined && !known.versions.has(version))) {
    const message = `no dataset ${dataset.slice(0, 16)} of this version is on the ledger`;
    throw gatewayError('dataset-not-found', message);
  }
  const said = { dataset: fromHex(dataset), ...(version === undefined ? {} : { version }) };
  return publishAccepted(gateway, 'withdraw', said);
}

/** A dataset that another member garbled, or that nobody can be asked for, hides no other. */
async function describe(
  gateway: Gateway,
  body: EventBody<'dataset'>,
): Promise<Pick<DatasetJson, 'name' | 'columns'>> {
  try {
    const { schema, policy } = await readDataset(gateway, body);
    const columns = schema.columns.map((column) => ({
      ...column,
      rule: ruleOf(policy, column.id),
    }));
    return { name: schema.name, columns };
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { name: `(not readable: ${error.code})`, columns: [] };
  }
}

/** Schema and policy behind a dataset event, checked against its commitments. */
export async function readDataset(
  gateway: Gateway,
  body: EventBody<'dataset'>,
): Promise<{ schema: DatasetSchema; policy: Policy }> {
  const openings = await readDatasetOpenings(gateway, body);
  return {
    schema: decodeSchema(openings.schema.value),
    policy: decodePolicy(openings.policy.value),
  };
}

/** The policy that a document is over these columns. @throws CodedError `policy-…` */
export async function compile(
  gateway: Gateway,
  document: unknown,
  schema: DatasetSchema,
): Promise<Policy> {
  const table = { name: 'dataset', columns: schema.columns };
  return compilePolicy({
    document: parsePolicyDocument(document),
    columns: schema.columns,
    bind: (sql) => bindGrouping(gateway.planners, table, sql),
  });
}

/** Columns are numbered in their order, from 1. */
export function schemaOf(
  name: string,
  columns: readonly { name: string; type: string }[],
): DatasetSchema {
  return { name, columns: columns.map((column, i) => ({ id: i + 1, ...column })) };
}

/** @throws CodedError `dataset-name-taken` */
export async function refuseTakenName(gateway: Gateway, name: string): Promise<void> {
  const mine = (await listDatasets(gateway)).filter((d) => d.owner === gateway.card.id);
  if (!mine.some((d) => d.name === name && !d.retired)) return;
  const message =
    `a dataset of yours is already called ${name}: choose another name, or publish its next ` +
    'version with dataset replace';
  throw gatewayError('dataset-name-taken', message);
}

/** The rules of a column in a word or a few. */
export function ruleOf(policy: Policy, column: number): string {
  const rules = policy.columns.find(({ id }) => id === column)?.rules ?? [];
  return rules.length === 0 ? 'hidden' : [...new Set(rules.map((r) => r.rule))].join(', ');
}
