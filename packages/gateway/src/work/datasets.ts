// SPDX-License-Identifier: Apache-2.0
// Datasets of this member: from a plain file to an encrypted one whose column keys are sealed, each
// on its own, to the group key. In this order, so that nothing acknowledged can be lost: keys into
// the vault, ciphertext into blobs, sealed keys into blobs, then the event.
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetJson } from '@cloister/api';
import {
  CHUNK_BYTES,
  commitTo,
  type DatasetSchema,
  datasetAadPrefix,
  decodeSchema,
  digestTree,
  type EventBody,
  encodeSchema,
  type Price,
} from '@cloister/contract';
import {
  compilePolicy,
  decodePolicy,
  encodePolicy,
  type Policy,
  parsePolicyDocument,
} from '@cloister/contract/policy';
import { CodedError, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  assertFullyEncrypted,
  encryptParquet,
  fileSink,
  fileSource,
  masterKeys,
} from '@cloister/parquet-crypto';
import { type Gateway, publishAccepted, stateInForce } from '../context.ts';
import type { GatewayErrorCode } from '../errors.ts';
import { homeFolder } from '../home.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { verifiedGroupKey } from './key-check.ts';
import { readDatasetOpenings } from './openings.ts';
import { sealDataset } from './seal.ts';
import { putVaultEntry, type VaultEntry } from './vault.ts';

const FOOTER = 0;
const VERSION_1 = 1;

export interface NewDataset {
  /** Absolute paths of plain Parquet files of these columns; they are removed on every path. */
  readonly parquets: readonly string[];
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly name: string;
  readonly policy: unknown;
  readonly price: Price;
}

/**
 * Encrypts, seals and publishes a new dataset; answers its id and the entry on the ledger.
 * @throws CodedError those of `verifiedGroupKey`, `dataset-name-taken`, `event-void`
 */
export async function addDataset(
  gateway: Gateway,
  wanted: NewDataset,
): Promise<{ dataset: Uint8Array; record: EntryRecord }> {
  const groupKey = await verifiedGroupKey(gateway);
  await refuseTakenName(gateway, wanted.name);
  const schema: DatasetSchema = {
    name: wanted.name,
    columns: wanted.columns.map(({ name, type }, i) => ({ id: i + 1, name, type })),
  };
  const policy = await compile(gateway, wanted.policy, schema);
  const dataset = gateway.random.bytes(16);
  const ports = { crypto: nodeCrypto, random: gateway.random };
  const entry: VaultEntry = {
    dataset,
    version: VERSION_1,
    name: wanted.name,
    keys: new Map(
      [FOOTER, ...schema.columns.map((c) => c.id)].map((id) => [id, gateway.random.bytes(32)]),
    ),
    schema: commitTo(encodeSchema(schema), ports).opening,
    policy: commitTo(encodePolicy(policy), ports).opening,
  };
  await putVaultEntry(gateway.home, entry);
  const files: EventBody<'dataset'>['files'] = [];
  for (const plain of wanted.parquets) {
    files.push(await encryptFile(gateway, { plain, schema, entry, file: files.length }));
  }
  const body = await sealDataset(gateway, entry, {
    groupKey,
    rows: wanted.rows,
    files,
    price: wanted.price,
    approvals: policy.approvals,
  });
  return { dataset, record: await publishAccepted(gateway, 'dataset', body) };
}

/** Every dataset on the ledger, as this member may read it. */
export async function listDatasets(gateway: Gateway): Promise<DatasetJson[]> {
  const state = stateInForce(gateway);
  const current = state.activeEpoch === null ? null : state.epochs.get(state.activeEpoch)?.groupKey;
  const found: DatasetJson[] = [];
  for (const [id, { owner, versions }] of state.datasets) {
    for (const [version, { body }] of versions) {
      const { name, columns } = await describe(gateway, body);
      found.push({
        dataset: id,
        version,
        owner,
        name,
        rows: body.rows,
        bytes: body.files.reduce((sum, file) => sum + file.length, 0),
        columns,
        price: body.price,
        approvals: body.approvals,
        groupKey:
          current != null && toHex(current) === toHex(body.groupKey) ? 'current' : 'superseded',
      });
    }
  }
  return found;
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

async function compile(
  gateway: Gateway,
  document: unknown,
  schema: DatasetSchema,
): Promise<Policy> {
  const table = { name: 'dataset', columns: schema.columns };
  return compilePolicy({
    document: parsePolicyDocument(document),
    columns: schema.columns,
    bind: (sql) => gateway.engine.bindGrouping(table, sql),
  });
}

async function refuseTakenName(gateway: Gateway, name: string): Promise<void> {
  const mine = (await listDatasets(gateway)).filter((d) => d.owner === gateway.card.id);
  if (!mine.some((d) => d.name === name)) return;
  const message = `a dataset of yours is already called ${name}: choose another name`;
  throw new CodedError<GatewayErrorCode>('dataset-name-taken', 'conflict', message);
}

async function encryptFile(
  gateway: Gateway,
  of: { plain: string; schema: DatasetSchema; entry: VaultEntry; file: number },
): Promise<EventBody<'dataset'>['files'][number]> {
  const { plain, schema, entry, file } = of;
  const folder = await homeFolder(gateway.home, 'uploads');
  const encrypted = join(folder, `${toHex(entry.dataset)}.encrypted`);
  try {
    const aadPrefix = datasetAadPrefix({ genesis: gateway.genesis, ...entry, file });
    await encryptTo(encrypted, { plain, schema, entry, aadPrefix });
    await proveEncrypted(encrypted, entry, aadPrefix);
    const { leaves, root, length } = await digestTree(chunksOf(encrypted), nodeCrypto);
    const blob = await gateway.blobs.adopt(encrypted);
    return { blob, length, root, leaves: await gateway.blobs.put(leaves) };
  } finally {
    await rm(plain, { force: true });
    await rm(encrypted, { force: true });
  }
}

async function encryptTo(
  encrypted: string,
  of: { plain: string; schema: DatasetSchema; entry: VaultEntry; aadPrefix: Uint8Array },
): Promise<void> {
  const { plain, schema, entry, aadPrefix } = of;
  const keyOf = (id: number) => ({ id: String(id), masterKey: entry.keys.get(id) as Uint8Array });
  const source = await open(plain, 'r');
  const sink = await open(encrypted, 'wx', 0o600).catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
  try {
    await encryptParquet({
      source: await fileSource(source),
      sink: fileSink(sink),
      footerKey: keyOf(FOOTER),
      columnKeys: new Map(schema.columns.map((c) => [c.name, keyOf(c.id)])),
      aadPrefix,
    });
  } finally {
    await Promise.all([source.close(), sink.close()]);
  }
}

async function proveEncrypted(
  path: string,
  entry: VaultEntry,
  aadPrefix: Uint8Array,
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const keys = new Map([...entry.keys].map(([id, key]) => [String(id), key]));
    await assertFullyEncrypted(await fileSource(file), masterKeys(keys), { aadPrefix });
  } finally {
    await file.close();
  }
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const { size } = await stat(path);
  const file = await open(path, 'r');
  try {
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - at));
      for (let done = 0; done < chunk.length; ) {
        const { bytesRead } = await file.read(chunk, done, chunk.length - done, at + done);
        if (bytesRead === 0) throw new Error('an encrypted file shrank while it was read');
        done += bytesRead;
      }
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

function ruleOf(policy: Policy, column: number): string {
  const rules = policy.columns.find(({ id }) => id === column)?.rules ?? [];
  return rules.length === 0 ? 'hidden' : [...new Set(rules.map((r) => r.rule))].join(', ');
}
