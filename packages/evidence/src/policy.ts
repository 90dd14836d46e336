// SPDX-License-Identifier: Apache-2.0
// Policies as files: JSON with byte strings in hexadecimal, read strictly (an absent or unknown
// field is an error). `openPolicy` is the one that judges nothing but debug and migration, to begin
// from; nothing uses it by itself.
import { fromHex } from '@cloister/core';
import { POLICY_FIELDS } from './appraise.ts';
import { evidenceError } from './errors.ts';
import { JsonView, parseJson } from './json.ts';
import type { Policy } from './types.ts';

const LIMIT = 10_000;
const HEX = /^([0-9a-fA-F]{2})*$/;

/** `'any'` everywhere but for debug and migration, which are refused. */
export function openPolicy(): Policy {
  return {
    kinds: 'any',
    trust: 'any',
    families: 'any',
    bindings: 'any',
    measurements: 'any',
    registers: 'any',
    signers: 'any',
    reportData: 'any',
    minimumSvn: 'any',
    tcbStatus: 'any',
    advisories: 'any',
    minimumNumber: 'any',
    hardwareIds: 'any',
    debug: 'never',
    migratable: 'never',
    weaknesses: 'any',
  };
}

type Reader = (view: JsonView) => unknown;

const texts: Reader = (view) => view.list(LIMIT).map((v) => v.text());
const bytes: Reader = (view) => fromHex(view.text(HEX));
const byteLists: Reader = (view) => view.list(LIMIT).map(bytes);
const entries =
  (read: Reader): Reader =>
  (view) =>
    Object.fromEntries(view.names(LIMIT).map((name) => [name, read(view.get(name))]));

const READERS: Readonly<Record<keyof Policy, Reader>> = {
  kinds: texts,
  trust: texts,
  families: texts,
  bindings: texts,
  measurements: byteLists,
  registers: entries(byteLists),
  signers: byteLists,
  reportData: bytes,
  minimumSvn: entries((view) => view.number(Number.MAX_SAFE_INTEGER)),
  tcbStatus: texts,
  advisories: texts,
  minimumNumber: (view) => view.number(Number.MAX_SAFE_INTEGER),
  hardwareIds: byteLists,
  debug: (view) => view.text(/^(never|any)$/),
  migratable: (view) => view.text(/^(never|any)$/),
  weaknesses: texts,
};

/** @throws CodedError `policy-malformed`, `policy-field-missing` */
export function parsePolicy(json: Uint8Array): Policy {
  const view = new JsonView(parseJson(json, 'policy-malformed'), 'policy-malformed');
  const out: Record<string, unknown> = {};
  for (const name of view.names(LIMIT)) {
    if (!Object.hasOwn(READERS, name)) {
      throw evidenceError(
        'policy-malformed',
        `the policy has an unknown field '${name.slice(0, 40)}'`,
      );
    }
    const field = view.get(name);
    out[name] = field.value === 'any' ? 'any' : READERS[name as keyof Policy](field);
  }
  const missing = POLICY_FIELDS.filter((name) => out[name] === undefined);
  if (missing.length > 0) {
    const message = `the policy says nothing of '${missing.join("', '")}': give a value or "any"`;
    throw evidenceError('policy-field-missing', message);
  }
  return out as unknown as Policy;
}
