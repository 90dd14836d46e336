// SPDX-License-Identifier: Apache-2.0
// The next version of a dataset of ours. What is not told stays as it is, and what stays keeps its
// commitment, salt and all: so grants for any version of one schema and policy are for this one
// too. Another schema is said, and never comes about by a file that happens to differ.
import {
  type DatasetSchema,
  decodeSchema,
  type EventBody,
  type Opening,
  type Price,
} from '@cloister/contract';
import {
  decodePolicy,
  documentOf,
  encodePolicy,
  type Policy,
  parsePolicyDocument,
} from '@cloister/contract/policy';
import { equal, isCoded } from '@cloister/core';
import { type Gateway, stateInForce } from '../context.ts';
import { gatewayError } from '../errors.ts';
import { verifiedGroupKey } from '../keepers/key-check.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import {
  type AddStep,
  commitTogether,
  compile,
  type FilesWanted,
  type Meaning,
  makeVersion,
  schemaOf,
} from './datasets.ts';
import { readDatasetOpenings } from './openings.ts';

export interface NextVersion extends FilesWanted {
  /** Its id, in hexadecimal. */
  readonly dataset: string;
  readonly version: number;
  readonly policy?: unknown;
  readonly price?: Price | undefined;
  readonly newSchema: boolean;
}

interface Before {
  readonly body: EventBody<'dataset'>;
  readonly openings: Record<'schema' | 'policy', Opening>;
  readonly schema: DatasetSchema;
  readonly policy: Policy;
}

/** Our dataset of this id, its newest version's event and name. @throws `dataset-not-found` */
export async function replaceable(
  gateway: Gateway,
  dataset: string,
): Promise<Before & { readonly next: number }> {
  const known = stateInForce(gateway).datasets.get(dataset);
  const body = known?.versions.get(known.newest)?.body;
  if (known?.owner !== gateway.card.id || known.retired || body === undefined) {
    const message = `there is no dataset ${dataset.slice(0, 16)} of yours that could be replaced`;
    throw gatewayError('dataset-not-found', message);
  }
  const openings = await readDatasetOpenings(gateway, body);
  const schema = decodeSchema(openings.schema.value);
  const policy = decodePolicy(openings.policy.value);
  return { body, openings, schema, policy, next: known.newest + 1 };
}

/**
 * Makes and publishes the next version; the one before stays until it is withdrawn.
 * @throws CodedError those of `makeVersion`, `dataset-schema-differs`, `dataset-not-found`,
 * `dataset-replaced`, `policy-malformed`
 */
export async function replaceDataset(
  gateway: Gateway,
  wanted: NextVersion,
  report: (step: AddStep) => void,
): Promise<EntryRecord> {
  const { dataset, version, newSchema, price } = wanted;
  await verifiedGroupKey(gateway);
  const before = await replaceable(gateway, dataset);
  if (before.next !== version) {
    const message = `version ${version - 1} is not the newest one any more: look, and ask again`;
    throw gatewayError('dataset-replaced', message);
  }
  if (wanted.policy !== undefined) parsePolicyDocument(wanted.policy);
  const { columns } = before.schema;
  const kept = newSchema ? {} : Object.fromEntries(columns.map(({ name, type }) => [name, type]));
  return makeVersion(
    gateway,
    {
      dataset: before.body.dataset,
      version,
      uploads: wanted.uploads,
      types: { ...kept, ...wanted.types },
      strict: wanted.strict ?? false,
      price: price ?? before.body.price,
      meaning: (own) => meaningOf(gateway, before, { ...wanted, columns: own }),
    },
    report,
  ).catch((error: unknown) => {
    throw isCoded(error, 'column-unknown') && !newSchema ? differs(error.message) : error;
  });
}

async function meaningOf(
  gateway: Gateway,
  before: Before,
  wanted: Pick<NextVersion, 'policy' | 'newSchema'> & {
    columns: readonly { name: string; type: string }[];
  },
): Promise<Meaning> {
  const schema = schemaOf(before.schema.name, wanted.columns);
  const other = firstOther(schema.columns, before.schema.columns);
  if (other !== undefined && !wanted.newSchema) throw differs(other);
  const stays = other === undefined;
  if (stays && wanted.policy === undefined) return { ...before, schema };
  const policy = await compile(gateway, wanted.policy ?? documentOf(before.policy), schema);
  const fresh = commitTogether(gateway, schema, policy);
  const same = equal(encodePolicy(policy), before.openings.policy.value);
  return {
    schema,
    policy,
    openings: {
      schema: stays ? before.openings.schema : fresh.schema,
      policy: same ? before.openings.policy : fresh.policy,
    },
  };
}

function firstOther(
  got: DatasetSchema['columns'],
  wanted: DatasetSchema['columns'],
): string | undefined {
  const text = (column: DatasetSchema['columns'][number] | undefined) =>
    column === undefined ? 'nothing' : `${column.name} ${column.type}`;
  const all = Math.max(got.length, wanted.length);
  const at = Array.from({ length: all }, (_, i) => i).find((i) => text(got[i]) !== text(wanted[i]));
  return at === undefined
    ? undefined
    : `the file has ${text(got[at])} where ${text(wanted[at])} is`;
}

function differs(why: string) {
  const message =
    `these files have other columns than the version before (${why}): with a new schema ` +
    '(--new-schema) every task has to be proposed again';
  return gatewayError('dataset-schema-differs', message);
}
