// SPDX-License-Identifier: Apache-2.0
// Judges claims by a policy: one check a field, and the worst of them is the status. Pure and total
// over verified claims. An absent policy field is an error, so nothing is accepted by omission
// (design, Evidence; the result has the shape of EAR, draft-fv-rats-ear).
import { equal, toHex } from '@cloister/core';
import { type AppraisalCode, evidenceError } from './errors.ts';
import type { Appraisal, AppraisalCheck, AppraisalStatus, Claims, Policy } from './types.ts';

type Verdict = Omit<AppraisalCheck, 'field'>;
type Judge = (claims: Claims, policy: Policy) => Verdict;

const RANK: Readonly<Record<AppraisalStatus, number>> = {
  affirming: 0,
  warning: 1,
  contraindicated: 2,
};

/** One judge a policy field, in the order people read them. */
const JUDGES: Readonly<Record<keyof Policy, Judge>> = {
  kinds: (c, p) => member(c.kind, p.kinds, 'kind-not-allowed'),
  trust: (c, p) => member(c.trust, p.trust, 'trust-not-allowed'),
  families: judgeFamilies,
  bindings: (c, p) => member(c.binding, p.bindings, 'binding-not-allowed'),
  measurements: (c, p) => oneOf([c.measurement], p.measurements, 'measurement-not-allowed'),
  registers: judgeRegisters,
  signers: (c, p) => oneOf(c.signers, p.signers, 'signer-not-allowed'),
  reportData: (c, p) =>
    oneOf([c.reportData], p.reportData === 'any' ? 'any' : [p.reportData], 'report-data-mismatch'),
  minimumSvn: judgeSvn,
  tcbStatus: judgeStatus,
  advisories: (c, p) =>
    subset(c.tcb.advisories, p.advisories, 'advisory-not-accepted', 'contraindicated'),
  minimumNumber: (c, p) =>
    verdict(
      p.minimumNumber === 'any' || c.tcb.number >= p.minimumNumber,
      'collateral-too-old',
      `>= ${p.minimumNumber}`,
      `${c.tcb.number}`,
    ),
  hardwareIds: (c, p) => oneOf([c.hardwareId.value], p.hardwareIds, 'hardware-not-enrolled'),
  debug: (c, p) => verdict(p.debug === 'any' || !c.debug, 'debug-refused', p.debug, `${c.debug}`),
  migratable: (c, p) =>
    verdict(
      p.migratable === 'any' || !c.migratable,
      'migratable-refused',
      p.migratable,
      `${c.migratable}`,
    ),
  weaknesses: (c, p) => subset(c.weaknesses, p.weaknesses, 'weakness-not-accepted', 'warning'),
};

/** The fields that every policy must have. */
export const POLICY_FIELDS = Object.keys(JUDGES) as readonly (keyof Policy)[];

/**
 * Appraises verified claims.
 * @throws CodedError `policy-field-missing`, `policy-malformed` when the policy itself is unusable
 */
export function appraise(claims: Claims, policy: Policy): Appraisal {
  checkPolicy(policy);
  const checks = POLICY_FIELDS.map((field) => ({ field, ...JUDGES[field](claims, policy) }));
  const status = checks.reduce<AppraisalStatus>(
    (worst, check) => (RANK[check.status] > RANK[worst] ? check.status : worst),
    'affirming',
  );
  return { status, checks, trust: claims.trust };
}

function checkPolicy(policy: Policy): void {
  for (const field of POLICY_FIELDS) {
    if (policy[field] === undefined) {
      const message = `the policy says nothing of '${field}': give a value or 'any'`;
      throw evidenceError('policy-field-missing', message);
    }
  }
  for (const field of Object.keys(policy)) {
    if (!(field in JUDGES)) {
      throw evidenceError(
        'policy-malformed',
        `the policy has an unknown field '${field.slice(0, 40)}'`,
      );
    }
  }
  if (policy.debug !== 'never' && policy.debug !== 'any') {
    throw evidenceError('policy-malformed', "policy field 'debug' is 'never' or 'any'");
  }
  if (policy.migratable !== 'never' && policy.migratable !== 'any') {
    throw evidenceError('policy-malformed', "policy field 'migratable' is 'never' or 'any'");
  }
}

function verdict(holds: boolean, code: AppraisalCode, wanted: string, got: string): Verdict {
  return holds ? affirmed(wanted, got) : { status: 'contraindicated', code, wanted, got };
}

function affirmed(wanted: string, got: string): Verdict {
  return { status: 'affirming', wanted, got };
}

function member<T extends string>(
  value: T,
  allowed: readonly T[] | 'any',
  code: AppraisalCode,
): Verdict {
  const holds = allowed === 'any' || allowed.includes(value);
  return verdict(holds, code, allowed === 'any' ? 'any' : allowed.join(', '), value);
}

function oneOf(
  values: readonly Uint8Array[],
  allowed: readonly Uint8Array[] | 'any',
  code: AppraisalCode,
): Verdict {
  const holds = allowed === 'any' || values.some((v) => allowed.some((a) => equal(a, v)));
  const wanted = allowed === 'any' ? 'any' : allowed.map(toHex).join(', ');
  return verdict(holds, code, wanted, values.map(toHex).join(', '));
}

function subset(
  values: readonly string[],
  accepted: readonly string[] | 'any',
  code: AppraisalCode,
  otherwise: AppraisalStatus,
): Verdict {
  const others = accepted === 'any' ? [] : values.filter((value) => !accepted.includes(value));
  const wanted = accepted === 'any' ? 'any' : accepted.join(', ');
  const got = values.join(', ');
  if (others.length === 0) return affirmed(wanted, got);
  return { status: otherwise, code, wanted, got: others.join(', ') };
}

/** Every maker that could lie must be allowed, a paravisor's among them. */
function judgeFamilies(claims: Claims, policy: Policy): Verdict {
  const makers = [claims.family, ...(claims.alsoFamilies ?? [])];
  const { families } = policy;
  const holds = families === 'any' || makers.every((maker) => families.includes(maker));
  const wanted = families === 'any' ? 'any' : families.join(', ');
  return verdict(holds, 'family-not-allowed', wanted, makers.join(', '));
}

function judgeRegisters(claims: Claims, policy: Policy): Verdict {
  if (policy.registers === 'any') return affirmed('any', '');
  for (const [name, allowed] of Object.entries(policy.registers)) {
    const value = Object.hasOwn(claims.measurements, name) ? claims.measurements[name] : undefined;
    if (value === undefined || !allowed.some((a) => equal(a, value))) {
      const got = `${name}=${value === undefined ? 'absent' : toHex(value)}`;
      const wanted = `${name}=${allowed.map(toHex).join(' or ')}`;
      return verdict(false, 'register-not-allowed', wanted, got);
    }
  }
  return affirmed(Object.keys(policy.registers).join(', '), 'equal');
}

function judgeSvn(claims: Claims, policy: Policy): Verdict {
  if (policy.minimumSvn === 'any') return affirmed('any', '');
  for (const [name, minimum] of Object.entries(policy.minimumSvn)) {
    const value = Object.hasOwn(claims.tcb.svn, name) ? claims.tcb.svn[name] : undefined;
    if (value === undefined || value < minimum) {
      return verdict(
        false,
        'svn-too-low',
        `${name} >= ${minimum}`,
        `${name} = ${value ?? 'absent'}`,
      );
    }
  }
  return affirmed(JSON.stringify(policy.minimumSvn), 'met');
}

/** A status other than UpToDate that the policy accepts passes with a warning. */
function judgeStatus(claims: Claims, policy: Policy): Verdict {
  const { status } = claims.tcb;
  const found = member(status, policy.tcbStatus, 'tcb-status-not-accepted');
  if (found.status !== 'affirming' || status === 'UpToDate' || status === 'Unrated') return found;
  return { ...found, status: 'warning', code: 'tcb-status-accepted-with-warning' };
}
