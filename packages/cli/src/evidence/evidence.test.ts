// SPDX-License-Identifier: Apache-2.0
// The evidence commands as people use them: every kind that can be minted is accepted under its own
// root and refused without it; what is wrong gives its code and status; captured evidence gives
// what the verifier gives.
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { toBase64, toHex } from '@cloister/core';
import {
  type EvidenceKind,
  encodeCollateral,
  encodeRoot,
  MEASUREMENT_LENGTH,
  needsCollateral,
  openPolicy,
  REPORT_DATA_LENGTH,
  VENDOR_ROOTS,
} from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  MINTABLE_KINDS,
  mintCollateral,
  mintEvidence,
} from '@cloister/evidence/mint';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildProgram } from '../program.ts';

const AT = Date.UTC(2026, 0, 15);
const TIME = '2026-01-15T00:00:00Z';
const DAY = 86_400_000;
const SHARED = new URL('../../../../../shared/vectors/', import.meta.url);
const hasShared = existsSync(new URL('cases.json', SHARED));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-evidence-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process; a thrown error is answered by its code. */
async function cloister(...args: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0);
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await buildProgram().parseAsync(['node', 'cloister', ...args]);
    return { status: Number(process.exitCode), out: out.join(''), err: err.join('') };
  } finally {
    process.exitCode = before;
    vi.restoreAllMocks();
  }
}

async function put(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

const madeRoots = new Map<EvidenceKind, DevelopmentRoot>();
/** The development root of a kind; some take a quarter of a second to make. */
function rootOf(kind: EvidenceKind): DevelopmentRoot {
  const root =
    madeRoots.get(kind) ?? createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(7) });
  madeRoots.set(kind, root);
  return root;
}

/** Evidence of one kind in a file, and the options under which it holds. */
async function minted(kind: EvidenceKind, more: object = {}) {
  const root = rootOf(kind);
  const measurement = new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(0x11);
  const reportData = new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(0x22);
  const { bytes } = mintEvidence({ root, measurement, reportData, at: AT, ...more });
  const file = await put(`${kind}.bin`, bytes);
  const roots = ['--roots', await put(`${kind}.root`, encodeRoot(root.root))];
  const at = ['--at', TIME];
  const bundle = needsCollateral(kind)
    ? encodeCollateral(mintCollateral(root, { at: AT - DAY, ...more }))
    : undefined;
  const collateral =
    bundle === undefined ? [] : ['--collateral', await put(`${kind}.collateral`, bundle)];
  return { root, bytes, reportData, file, roots, at, collateral };
}

describe.each(MINTABLE_KINDS.map((kind) => [kind]))('minted %s', (kind) => {
  it('is recognised, accepted under its own root, and called SIMULATED', async () => {
    const { file, roots, at, collateral, reportData } = await minted(kind);
    const data = ['--report-data', toHex(reportData)];
    const ran = await cloister('evidence', 'verify', file, ...roots, ...at, ...collateral, ...data);
    expect(ran.status).toBe(0);
    expect(ran.out).toContain(`${kind} (found from its bytes)`);
    expect(ran.out).toMatch(/^ {2}\[x\] /m);
    expect(ran.out).toMatch(/^ACCEPTED( WITH WARNINGS)? {2}SIMULATED$/m);
    expect(ran.out).toContain(`report data  ${toHex(reportData)}\n`);
  });

  it('is refused under the roots of vendors, and with other report data', async () => {
    const { file, roots, at, collateral, reportData } = await minted(kind);
    const alone = await cloister('evidence', 'verify', file, ...at, ...collateral, '--json');
    if (VENDOR_ROOTS.some((root) => root.kinds.includes(kind))) {
      expect(alone.status).toBe(2);
      expect(JSON.parse(alone.out)).toMatchObject({ accepted: false, code: 'root-untrusted' });
    } else {
      expect(alone.status).toBe(1);
      expect(JSON.parse(alone.err).error.message).toContain('--roots');
    }
    const other = ['--report-data', toHex(reportData.map((b) => b ^ 1))];
    const given = [file, ...roots, ...at, ...collateral, ...other, '--json'];
    const ran = await cloister('evidence', 'verify', ...given);
    expect(ran.status).toBe(2);
    expect(JSON.parse(ran.out)).toMatchObject({
      accepted: false,
      code: 'report-data-mismatch',
      simulated: true,
      claims: { kind, reportData: toHex(reportData) },
    });
  });

  it('is taken in hexadecimal and base64, and inspected as not verified', async () => {
    const { bytes, roots, at, collateral } = await minted(kind);
    const hex = await put(`${kind}.hex`, `0x${toHex(bytes).replace(/(.{76})/g, '$1\n')}\n`);
    const base64 = await put(`${kind}.b64`, toBase64(bytes).replace(/(.{64})/g, '$1\r\n'));
    for (const [file, form] of [
      [hex, 'hex'],
      [base64, 'base64'],
    ] as const) {
      const given = [file, ...roots, ...at, ...collateral, '--json'];
      const ran = await cloister('evidence', 'verify', ...given);
      expect(JSON.parse(ran.out)).toMatchObject({ accepted: true, form });
    }
    const seen = await cloister('evidence', 'inspect', hex);
    expect(seen.out).toContain(`${kind}, parsed and NOT VERIFIED`);
    const json = JSON.parse((await cloister('evidence', 'inspect', hex, '--json')).out);
    expect(json).toMatchObject({ verified: false, kind, form: 'hex', bytes: bytes.length });
  });
});

describe('evidence from a stream', () => {
  it('is read from standard input, to its end', async () => {
    const { bytes, roots, at, collateral } = await minted('sgx-dcap');
    const half = bytes.length >> 1;
    const pieces = [bytes.subarray(0, half), bytes.subarray(half)].map((b) => Buffer.from(b));
    const stdin = () => Readable.from(pieces) as unknown as typeof process.stdin;
    vi.spyOn(process, 'stdin', 'get').mockImplementation(stdin);
    const ran = await cloister('evidence', 'verify', '-', ...roots, ...at, ...collateral);
    expect(ran.status).toBe(0);
    expect(ran.out).toContain(`-: sgx-dcap (found from its bytes), ${bytes.length} bytes (raw)`);
  });

  it('is unusable where it has no end', async () => {
    const ran = await cloister('evidence', 'verify', '/dev/zero', '--json');
    expect(ran.status).toBe(1);
    expect(JSON.parse(ran.err).error).toMatchObject({ code: 'file-malformed' });
  });
});

describe('what is refused, and what cannot be judged', () => {
  it('a changed bit, a debug enclave, a revoked TCB', async () => {
    const { bytes, roots, at, collateral } = await minted('sgx-dcap');
    const changed = bytes.slice();
    changed[48 + 64] = (changed[48 + 64] as number) ^ 1;
    const bad = await put('changed.bin', changed);
    const ran = await cloister('evidence', 'verify', bad, ...roots, ...at, ...collateral);
    expect(ran.status).toBe(2);
    expect(ran.out).toContain('REFUSED [signature-invalid]');
    for (const [more, code] of [
      [{ debug: true }, 'debug-refused'],
      [{ status: 'Revoked' }, 'tcb-status-not-accepted'],
    ] as const) {
      const m = await minted('sgx-dcap', more);
      const given = [m.file, ...m.roots, ...m.at, ...m.collateral];
      const refused = await cloister('evidence', 'verify', ...given);
      expect(refused.status).toBe(2);
      expect(refused.out).toContain(`REFUSED [${code}]`);
    }
  });

  it('a TCB that is out of date is accepted with warnings, and refused by a policy', async () => {
    const m = await minted('tdx-dcap', { status: 'OutOfDate' });
    const given = [m.file, ...m.roots, ...m.at, ...m.collateral];
    expect((await cloister('evidence', 'verify', ...given)).out).toContain('WITH WARNINGS');
    const policy = JSON.stringify({ ...openPolicy(), tcbStatus: ['UpToDate'] });
    const rules = ['--policy', await put('policy.json', policy)];
    const ran = await cloister('evidence', 'verify', ...given, ...rules);
    expect(ran.status).toBe(2);
    expect(ran.out).toContain('REFUSED [tcb-status-not-accepted]');
  });

  it.each([
    ['a missing file', ['none.bin'], 'file-unreadable'],
    ['text of another sort', ['prose.txt'], 'evidence-malformed'],
    ['bytes that are no evidence', ['noise.bin'], 'option-malformed'],
    ['cut evidence', ['cut.bin'], 'evidence-malformed'],
    [
      'no collateral',
      ['sgx-dcap.bin', '--at', TIME, '--roots', 'sgx-dcap.root'],
      'collateral-missing',
    ],
    ['a bad time', ['sgx-dcap.bin', '--at', 'yesterday'], 'option-malformed'],
    ['bad report data', ['sgx-dcap.bin', '--report-data', 'xyz'], 'option-malformed'],
    ['roots that are none', ['sgx-dcap.bin', '--roots', 'prose.txt'], 'file-malformed'],
    ['a bundle that is none', ['sgx-dcap.bin', '--collateral', 'noise.bin'], undefined],
    ['a policy with a gap', ['sgx-dcap.bin', '--policy', 'gap.json'], 'policy-field-missing'],
  ])('%s is unusable: status 1 and a code', async (_, args, code) => {
    const { bytes } = await minted('sgx-dcap');
    await put('prose.txt', 'this is a sentence.');
    await put('noise.bin', new Uint8Array(600).fill(0xff));
    await put('cut.bin', bytes.subarray(0, 700));
    await put('gap.json', '{}');
    const given = args.map((a) => (/\.(bin|txt|json|root)$/.test(a) ? join(folder, a) : a));
    const ran = await cloister('evidence', 'verify', ...given, '--json');
    expect(ran.status).toBe(1);
    expect(ran.out).toBe('');
    const { error } = JSON.parse(ran.err);
    if (code !== undefined) expect(error.code).toBe(code);
    expect(error.code).not.toBe('internal');
  });
});

describe('roots from files', () => {
  it('are read as a document, in base64, as a card, a charter file and a list', async () => {
    const m = await minted('tpm2');
    const document = toBase64(encodeRoot(m.root.root));
    const { family, kinds, key } = m.root.root;
    const listed = { family, kinds, trust: 'simulated', source: 'a test', key: toBase64(key) };
    for (const text of [
      document,
      JSON.stringify({ make: 'tpm', root: document }),
      JSON.stringify({ genesis: '00', roots: [document], charter: '' }),
      ...(m.root.root.certificate === undefined ? [JSON.stringify([listed])] : []),
    ]) {
      const roots = ['--roots', await put('some.roots', text)];
      const ran = await cloister('evidence', 'verify', m.file, ...m.at, ...roots);
      expect(ran.out).toContain('ACCEPTED');
    }
    const certified = await minted('nitro');
    const der = certified.root.root.certificate as Uint8Array;
    const pem = `-----BEGIN CERTIFICATE-----\n${toBase64(der)}\n-----END CERTIFICATE-----\n`;
    const list = { family: 'aws', kinds: ['nitro'], source: 'a test', certificate: pem };
    for (const [trust, status] of [
      ['simulated', 0],
      ['hardware', 2],
    ] as const) {
      const file = await put('nitro.roots', JSON.stringify([{ ...list, trust }]));
      const given = [certified.file, ...certified.at, '--roots', file];
      const ran = await cloister('evidence', 'verify', ...given);
      expect([trust, ran.status]).toEqual([trust, status]);
    }
  });
});

describe('a bundle from files', () => {
  it('is made once, verified with, and not overwritten unasked', async () => {
    const m = await minted('sgx-dcap');
    const { items } = mintCollateral(m.root, { at: AT - DAY });
    const files = await Promise.all(
      ['pck-crl', 'root-ca-crl', 'pck-crl-issuer-chain', 'tcb-info-issuer-chain'].map((name) =>
        put(`${name}.file`, items[name] as Uint8Array),
      ),
    );
    const signed = (name: string, member: string) =>
      put(
        `${name}.json`,
        `{"${member}":${new TextDecoder().decode(items[name])},"signature":"${toHex(
          items[`${name}-signature`] as Uint8Array,
        )}"}`,
      );
    files.push(await signed('tcb-info', 'tcbInfo'), await signed('qe-identity', 'enclaveIdentity'));
    const out = join(folder, 'made.collateral');
    const made = await cloister('evidence', 'collateral', out, ...files);
    expect(made.out).toContain(`sgx-dcap for '${m.root.subject}'`);
    const given = [m.file, ...m.roots, ...m.at, '--collateral', out];
    expect((await cloister('evidence', 'verify', ...given)).status).toBe(0);
    const before = await readFile(out);
    await expect(cloister('evidence', 'collateral', out, ...files)).rejects.toMatchObject({
      code: 'file-exists',
    });
    await cloister('evidence', 'collateral', out, ...files.reverse(), '--force');
    expect(await readFile(out)).toEqual(before);
    await expect(
      cloister('evidence', 'collateral', join(folder, 'less'), ...files.slice(1)),
    ).rejects.toMatchObject({ code: 'collateral-malformed' });
    expect(existsSync(join(folder, 'less'))).toBe(false);
  });
});

interface SharedCase {
  readonly id: string;
  readonly kind: string;
  readonly evidence: string;
  readonly expect: string;
  readonly at: string;
  readonly collateralBundle?: string;
  readonly collateral?: { readonly leaf: string; readonly ask: string; readonly ark: string };
  readonly claims?: Readonly<Record<string, unknown>>;
}

describe.skipIf(!hasShared)('captured evidence [skip: shared]', () => {
  const path = (name: string) => fileURLToPath(new URL(name, SHARED));
  const cases: SharedCase[] = hasShared
    ? JSON.parse(readFileSync(path('cases.json'), 'utf8')).cases
    : [];
  const of = (...kinds: string[]) => cases.filter((c) => kinds.includes(c.kind));

  /** The commands with the file as it is, and the claims that they answer. */
  async function accept(file: string, options: readonly string[], status: 0 | 2 = 0) {
    const ran = await cloister('evidence', 'verify', path(file), ...options, '--json');
    expect([file, ran.status, ran.err]).toEqual([file, status, '']);
    const answer = JSON.parse(ran.out);
    expect(answer).toMatchObject({ detected: true, accepted: status === 0, simulated: false });
    return answer;
  }

  it.each(of('nitro').map((c) => [c.id, c] as const))('%s', async (_, c) => {
    const at = ['--at', new Date(Number(/(\d{13})_/.exec(c.evidence)?.[1])).toISOString()];
    const debug = c.claims?.['debug_mode'] === true;
    const { claims } = await accept(c.evidence, at, debug ? 2 : 0);
    expect(claims.measurement).toBe(c.claims?.['pcr0']);
  });

  const reports = of('snp').filter((c) => c.collateral !== undefined && c.expect === 'verified');
  it.each(reports.map((c) => [c.id, c] as const))('%s', async (_, c) => {
    const { leaf = '', ask = '', ark = '' } = c.collateral ?? {};
    const bundle = join(folder, 'snp.collateral');
    await cloister('evidence', 'collateral', bundle, path(leaf), path(ask), path(ark), '--force');
    const debug = c.claims?.['debug_policy'] === true;
    const options = ['--collateral', bundle, '--at', c.at];
    const { claims } = await accept(c.evidence, options, debug ? 2 : 0);
    expect(claims.measurement).toBe(c.claims?.['measurement']);
    expect(claims.hardwareId.type === 'none' || claims.hardwareId.value).not.toBe('');
  });

  // Whole files that are one quote; the rest are lists and JSON.
  const quotes = of('sgx', 'tdx').filter(
    (c) =>
      c.expect === 'verified' &&
      c.collateralBundle !== undefined &&
      !/\.(json|hex)$/.test(c.evidence),
  );
  it('DCAP quotes are many enough to be a test', () => expect(quotes.length).toBeGreaterThan(10));
  it.each(quotes.map((c) => [c.id, c] as const))('%s', async (_, c) => {
    const options = ['--collateral', path(c.collateralBundle ?? ''), '--at', c.at];
    const ran = await cloister('evidence', 'verify', path(c.evidence), ...options, '--json');
    const answer = JSON.parse(ran.out || '{}');
    // A list from the future is refused, and the least of rules refuses debug and service TDs.
    const codes = [undefined, 'crl-not-yet-valid', 'debug-refused', 'migratable-refused'];
    expect(codes).toContain(answer.code);
    expect(ran.status).toBe(answer.code === undefined ? 0 : 2);
  });
});
