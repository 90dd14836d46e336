// SPDX-License-Identifier: Apache-2.0
// Policies: every field missing is an error, every field unmet has its own code, and files are read
// strictly.
import { readFileSync } from 'node:fs';
import { isCoded, utf8 } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { appraise, POLICY_FIELDS } from './appraise.ts';
import { openPolicy, parsePolicy } from './policy.ts';
import type { Claims, Policy } from './types.ts';

const claims: Claims = {
  kind: 'sgx-dcap',
  measurement: new Uint8Array(32).fill(1),
  measurements: { mrenclave: new Uint8Array(32).fill(1) },
  signers: [new Uint8Array(32).fill(2)],
  reportData: new Uint8Array(64).fill(3),
  binding: 'report-data',
  debug: true,
  migratable: true,
  tcb: { status: 'OutOfDate', advisories: ['INTEL-SA-1'], svn: { isv: 4 }, number: 17 },
  hardwareId: { type: 'ppid', value: new Uint8Array(16).fill(5) },
  family: 'intel',
  root: '00'.repeat(32),
  trust: 'simulated',
  time: { judgedAt: 0, validUntil: 1 },
  weaknesses: ['memory-interposer'],
  extra: {},
  proved: [],
};
const lenient: Policy = { ...openPolicy(), debug: 'any', migratable: 'any' };

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'no error';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

describe('appraise', () => {
  it("affirms with a checklist when everything is 'any' or met", () => {
    const result = appraise(claims, {
      ...lenient,
      measurements: [new Uint8Array(32), claims.measurement],
      registers: { mrenclave: [claims.measurement] },
      signers: [claims.signers[0] as Uint8Array],
      reportData: claims.reportData,
      minimumSvn: { isv: 4 },
      minimumNumber: 17,
      hardwareIds: [claims.hardwareId.value],
      weaknesses: ['memory-interposer'],
      advisories: ['INTEL-SA-1'],
    });
    expect(result.status).toBe('warning');
    expect(result.checks.filter((c) => c.status !== 'affirming').map((c) => c.code)).toEqual([
      'tcb-status-accepted-with-warning',
    ]);
    expect(result.checks.map((c) => c.field)).toEqual(POLICY_FIELDS);
    expect(result.trust).toBe('simulated');
  });

  it.each([
    [{ kinds: ['sev-snp'] }, 'kind-not-allowed'],
    [{ trust: ['hardware'] }, 'trust-not-allowed'],
    [{ families: ['amd'] }, 'family-not-allowed'],
    [{ bindings: ['launch'] }, 'binding-not-allowed'],
    [{ measurements: [] }, 'measurement-not-allowed'],
    [{ measurements: [new Uint8Array(31).fill(1)] }, 'measurement-not-allowed'],
    [{ registers: { mrenclave: [new Uint8Array(32)] } }, 'register-not-allowed'],
    [{ registers: { toString: [new Uint8Array(32)] } }, 'register-not-allowed'],
    [{ signers: [new Uint8Array(32)] }, 'signer-not-allowed'],
    [{ reportData: new Uint8Array(64) }, 'report-data-mismatch'],
    [{ minimumSvn: { isv: 5 } }, 'svn-too-low'],
    [{ minimumSvn: { constructor: 0 } }, 'svn-too-low'],
    [{ tcbStatus: ['UpToDate'] }, 'tcb-status-not-accepted'],
    [{ advisories: [] }, 'advisory-not-accepted'],
    [{ minimumNumber: 18 }, 'collateral-too-old'],
    [{ hardwareIds: [] }, 'hardware-not-enrolled'],
    [{ debug: 'never' }, 'debug-refused'],
    [{ migratable: 'never' }, 'migratable-refused'],
  ] as [Partial<Policy>, string][])('%o is refused with %s', (change, code) => {
    const result = appraise(claims, { ...lenient, ...change });
    expect(result.status).toBe('contraindicated');
    const failed = result.checks.filter((c) => c.status === 'contraindicated');
    expect(failed.map((c) => c.code)).toEqual([code]);
  });

  it("wants every maker allowed, the paravisor's too", () => {
    const azure: Claims = { ...claims, alsoFamilies: ['microsoft'] };
    const status = (families: Policy['families']) =>
      appraise(azure, { ...lenient, families }).status;
    expect(status(['intel'])).toBe('contraindicated');
    expect(status(['intel', 'microsoft'])).toBe('warning');
  });

  it('warns of weaknesses that are not accepted', () => {
    const upToDate = { ...claims, tcb: { ...claims.tcb, status: 'UpToDate' as const } };
    const result = appraise(upToDate, { ...lenient, weaknesses: [] });
    expect(result.status).toBe('warning');
  });

  it('refuses a policy without a field, with a wrong one or with one too many', () => {
    for (const field of POLICY_FIELDS) {
      const partial = { ...lenient, [field]: undefined } as unknown as Policy;
      expect(
        codeOf(() => appraise(claims, partial)),
        field,
      ).toBe('policy-field-missing');
    }
    const wrong = { ...lenient, debug: false } as unknown as Policy;
    expect(codeOf(() => appraise(claims, wrong))).toBe('policy-malformed');
    const more = { ...lenient, colour: 'any' } as unknown as Policy;
    expect(codeOf(() => appraise(claims, more))).toBe('policy-malformed');
  });
});

describe('parsePolicy', () => {
  const file: Record<string, unknown> = {
    ...openPolicy(),
    measurements: ['01'.repeat(32)],
    registers: { rtmr0: ['02'.repeat(48)] },
    minimumSvn: { snp: 24 },
    reportData: '03'.repeat(64),
    minimumNumber: 17,
    tcbStatus: ['UpToDate'],
  };
  const parse = (value: unknown) => parsePolicy(utf8(JSON.stringify(value)));

  it('reads values in hexadecimal', () => {
    expect(parse(file)).toMatchObject({
      measurements: [new Uint8Array(32).fill(1)],
      registers: { rtmr0: [new Uint8Array(48).fill(2)] },
      minimumSvn: { snp: 24 },
      minimumNumber: 17,
      kinds: 'any',
    });
  });

  it('names all that is absent at once', () => {
    const few = () => parse({ kinds: 'any', debug: 'never' });
    expect(few).toThrow(/'trust', 'families', 'bindings', .*'weaknesses'/);
  });

  it('reads the example in README.md', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, example] = /```json\n(.+?)```/s.exec(readme) ?? [];
    expect(parsePolicy(utf8(example ?? ''))).toMatchObject({ kinds: ['tdx-dcap'], debug: 'never' });
  });

  it('refuses what is absent, unknown or of another type', () => {
    for (const field of POLICY_FIELDS) {
      expect(
        codeOf(() => parse({ ...file, [field]: undefined })),
        field,
      ).toBe('policy-field-missing');
      expect(
        codeOf(() => parse({ ...file, [field]: 1.5 })),
        field,
      ).toBe('policy-malformed');
    }
    expect(codeOf(() => parse({ ...file, more: 'any' }))).toBe('policy-malformed');
    expect(codeOf(() => parse([]))).toBe('policy-malformed');
    expect(codeOf(() => parsePolicy(utf8('{')))).toBe('policy-malformed');
  });
});
