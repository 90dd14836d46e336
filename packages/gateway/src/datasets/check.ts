// SPDX-License-Identifier: Apache-2.0
// Whether a dataset could be made of files that have been looked at: all that adding it would be
// refused with, said before any work begins. Nothing is written.
import type { DatasetCheck } from '@cloister/api';
import { type Policy, type PolicyDocument, parsePolicyDocument } from '@cloister/contract/policy';
import { isCoded, meant, toErrorResponse } from '@cloister/core';
import { type Gateway, stateInForce } from '../context.ts';
import type { Inspection } from '../ingest/index.ts';
import { asOneTable, type Choices } from './convert-all.ts';
import { commitTogether, compile, refuseTakenName, ruleOf, schemaOf } from './datasets.ts';
import { refuseLongOpenings } from './openings.ts';

export interface DatasetAsked extends Choices {
  readonly inspections: readonly Inspection[];
  readonly name?: string | undefined;
  readonly policy?: unknown;
}

/** What is told is checked, and what is not told is left out. */
export async function checkDataset(
  gateway: Gateway,
  asked: DatasetAsked,
  refuseUsedName: (name: string) => void,
): Promise<DatasetCheck> {
  const { inspections, name, policy: document } = asked;
  const findings: DatasetCheck['findings'] = [];
  const attempt = async <T>(act: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      if (!isCoded(error)) throw error;
      findings.push(toErrorResponse(error).body.error);
      return undefined;
    }
  };
  if (name !== undefined) {
    await attempt(async () => {
      refuseUsedName(name);
      await refuseTakenName(gateway, name);
    });
  }
  const seen = await attempt(() => asOneTable(inspections, asked));
  const parsed =
    document === undefined ? undefined : await attempt(() => parsePolicyDocument(document));
  const schema = schemaOf(name ?? '', seen?.columns ?? []);
  let policy: Policy | undefined;
  if (seen !== undefined && parsed !== undefined) {
    policy = await attempt(() => compile(gateway, document, schema));
    const known = policy;
    if (known !== undefined) {
      await attempt(() => refuseLongOpenings(gateway, commitTogether(gateway, schema, known)));
    }
  }
  const columns = schema.columns.map((column) => ({
    name: column.name,
    type: column.type,
    rule: policy === undefined ? null : ruleOf(policy, column.id),
  }));
  return { columns, findings, notes: parsed === undefined ? [] : strangers(gateway, parsed) };
}

/** Members that a policy is for and that the charter does not have: it may mean later ones. */
function strangers(gateway: Gateway, document: PolicyDocument): string[] {
  const members = stateInForce(gateway).charter.members.map(({ id }) => id);
  const rules = Object.values(document.columns).flat();
  const named = [document, ...rules].flatMap(({ for: who = 'any' }) => (who === 'any' ? [] : who));
  return [...new Set(named)]
    .filter((id) => !members.includes(id))
    .map((id) => `the policy is for ${id}, and no member is called so${meant(id, members)}`);
}
