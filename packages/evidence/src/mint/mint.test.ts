// SPDX-License-Identifier: Apache-2.0
// Minted evidence is what its request said, is accepted under its own root only, and every way in
// which chains, lists and collateral can be wrong gives its own code.
import { equal, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { webCrypto } from '@cloister/core/web';
import { describe, expect, it } from 'vitest';
import { EvidenceCache } from '../cache.ts';
import { decodeCollateral, encodeCollateral, needsCollateral } from '../collateral.ts';
import { detectKind } from '../detect.ts';
import { inspectEvidence } from '../inspect.ts';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  decodeDevelopmentRoot,
  encodeDevelopmentRoot,
  HARDWARE_ID_LENGTH,
  hardwareIdOf,
  MINTABLE_KINDS,
  mintCollateral,
  mintEvidence,
  mintedMeasurement,
  mintSgx,
  mintTdx,
} from '../minting.ts';
import { decodeRoot, encodeRoot } from '../roots/encode.ts';
import { VENDOR_ROOTS } from '../roots/vendors.ts';
import {
  type Claims,
  type Collateral,
  type Evidence,
  type EvidenceKind,
  MEASUREMENT_LENGTH,
  REPORT_DATA_LENGTH,
  type Root,
} from '../types.ts';
import { verifyEvidence } from '../verify.ts';

const AT = Date.UTC(2026, 0, 15);
const DAY = 86_400_000;
const SEED = new Uint8Array(32).fill(7);
const roots = new Map(MINTABLE_KINDS.map((k) => [k, createDevelopmentRoot(k, { seed: SEED })]));

function rootOf(kind: EvidenceKind): DevelopmentRoot {
  return roots.get(kind) as DevelopmentRoot;
}

function mint(kind: EvidenceKind, more: object = {}): Evidence {
  const measurement = new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(0x11);
  const reportData = new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(0x22);
  return mintEvidence({ root: rootOf(kind), measurement, reportData, at: AT, ...more });
}

const bundles = new Map<EvidenceKind, Collateral | null>();
function bundle(kind: EvidenceKind): Collateral | null {
  if (!needsCollateral(kind)) return null;
  if (!bundles.has(kind)) bundles.set(kind, mintCollateral(rootOf(kind), { at: AT - DAY }));
  return bundles.get(kind) ?? null;
}

interface Judging {
  readonly collateral?: Collateral | null;
  readonly roots?: readonly Root[];
  readonly at?: number;
  readonly cache?: EvidenceCache;
}

function verify(evidence: Evidence, judging: Judging = {}): Promise<Claims> {
  return verifyEvidence(evidence, {
    crypto: nodeCrypto,
    collateral: bundle(evidence.kind),
    roots: [rootOf(evidence.kind).root],
    at: AT,
    ...judging,
  });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'accepted';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

describe.each(MINTABLE_KINDS.map((kind) => [kind]))('%s minted', (kind) => {
  it('verifies and says what was asked for', async () => {
    const claims = await verify(mint(kind));
    expect(claims.kind).toBe(kind);
    const requested = new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(0x11);
    expect(claims.measurement).toEqual(mintedMeasurement(kind, requested));
    expect(claims.measurement.length).toBe(MEASUREMENT_LENGTH[kind]);
    expect(claims.reportData).toEqual(new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(0x22));
    expect(claims.hardwareId.value).toEqual(hardwareIdOf(rootOf(kind)));
    expect(claims).toMatchObject({ trust: 'simulated', debug: false, migratable: false });
    expect(claims.root).toBe(rootOf(kind).root.fingerprint);
  });

  it('can be inspected without judging', () => {
    const fields = Object.values(inspectEvidence(mint(kind))).join(' ');
    expect(fields).toContain('22'.repeat(REPORT_DATA_LENGTH[kind]));
  });

  it('is recognised from its bytes', () => {
    expect(detectKind(mint(kind).bytes)).toBe(kind);
  });

  it('is refused without its root, and under a root of the same shape', async () => {
    const evidence = mint(kind);
    const other = createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(8) });
    const code = kind === 'op-tee' ? 'signature-invalid' : 'root-untrusted';
    expect(await codeOf(verify(evidence, { roots: VENDOR_ROOTS }))).toBe(code);
    const under = await codeOf(verify(evidence, { roots: [other.root] }));
    expect(['root-untrusted', 'signature-invalid', 'certificate-signature-invalid']).toContain(
      under,
    );
  });

  it('keeps the same keys for the same seed, and survives encoding', async () => {
    const again = createDevelopmentRoot(kind, { seed: SEED });
    expect(again.keys).toEqual(rootOf(kind).keys);
    const stored = decodeDevelopmentRoot(encodeDevelopmentRoot(rootOf(kind)));
    expect(stored).toEqual(rootOf(kind));
    const claims = await verify(mint(kind, { root: stored }));
    expect(claims.trust).toBe('simulated');
  });

  it('has a root that survives encoding, with a fingerprint that is checked', async () => {
    const { root } = rootOf(kind);
    expect(decodeRoot(encodeRoot(root))).toEqual(root);
    const lying = { ...root, fingerprint: '00'.repeat(32) };
    expect(await codeOf(verify(mint(kind), { roots: [lying] }))).toBe('root-untrusted');
  });

  it('cannot be called hardware where a certificate says development', async () => {
    const posing = { ...rootOf(kind).root, trust: 'hardware' as const };
    const code = await codeOf(verify(mint(kind), { roots: [posing] }));
    expect(code).toBe(posing.certificate === undefined ? 'accepted' : 'root-untrusted');
  });

  it("verifies with the browser's cryptography just the same", async () => {
    const evidence = mint(kind);
    const options = { collateral: bundle(kind), roots: [rootOf(kind).root], at: AT };
    const [a, b] = await Promise.all(
      [nodeCrypto, webCrypto].map((crypto) => verifyEvidence(evidence, { ...options, crypto })),
    );
    expect(b).toEqual(a);
    const changed = { kind, bytes: evidence.bytes.slice() };
    changed.bytes[90] = (changed.bytes[90] as number) ^ 1;
    const refusal = codeOf(verifyEvidence(changed, { ...options, crypto: webCrypto }));
    expect(await refusal).toBe(await codeOf(verify(changed)));
  });

  it('has the hardware id that was asked for', async () => {
    const length = HARDWARE_ID_LENGTH[kind];
    const hardwareId = new Uint8Array(length ?? 32).fill(0x33);
    if (kind === 'nitro') return;
    const minting = async () => verify(mint(kind, { hardwareId }));
    if (length === undefined) expect(await codeOf(minting())).toBe('mint-usage');
    else expect((await minting()).hardwareId.value).toEqual(hardwareId);
  });
});

describe.each([['sgx-dcap'], ['tdx-dcap'], ['sev-snp']] as const)('%s collateral', (kind) => {
  const root = rootOf(kind);
  const judged = (options: object, at = AT, cache?: EvidenceCache): Promise<string> =>
    codeOf(
      verify(mint(kind), {
        collateral: mintCollateral(root, { at: AT - DAY, ...options }),
        at,
        ...(cache === undefined ? {} : { cache }),
      }),
    );

  it('survives encoding byte for byte', () => {
    const made = bundle(kind) as Collateral;
    const encoded = encodeCollateral(made);
    const back = decodeCollateral(encoded);
    expect(back).toEqual(made);
    expect(equal(encodeCollateral(back), encoded)).toBe(true);
  });

  it('is refused before and after its time, cached or not', async () => {
    const cache = new EvidenceCache();
    expect(await judged({}, AT, cache)).toBe('accepted');
    expect(await judged({}, AT - 2 * DAY, cache)).toBe('crl-not-yet-valid');
    expect(await judged({ lifetime: DAY / 2 }, AT, cache)).toBe('crl-expired');
    expect(await judged({}, AT + 60 * DAY)).toBe('crl-expired');
  });

  it('refuses a revoked intermediate', async () => {
    expect(await judged({ revokeIntermediate: true })).toBe('certificate-revoked');
  });

  it('refuses a chain judged before it began or after it ended', async () => {
    expect(await judged({}, Date.UTC(2024, 11, 31))).toBe('certificate-not-yet-valid');
    expect(await judged({}, Date.UTC(2051, 0, 1))).toBe('certificate-expired');
  });

  it('is needed, and must be for the evidence', async () => {
    expect(await codeOf(verify(mint(kind), { collateral: null }))).toBe('collateral-missing');
    const other = createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(9) });
    const foreign = mintCollateral(other, { at: AT - DAY });
    const code = await codeOf(verify(mint(kind), { collateral: foreign }));
    expect(code).toBe(kind === 'sev-snp' ? 'certificate-signature-invalid' : 'collateral-mismatch');
  });
});

describe('sgx-dcap', () => {
  const kind = 'sgx-dcap';
  const root = rootOf(kind);

  it.each([[3], [4], [5]] as const)('verifies quotes v%i', async (version) => {
    const measurement = new Uint8Array(32).fill(0x11);
    const signer = new Uint8Array(32).fill(0x66);
    const request = { root, measurement, signer, reportData: new Uint8Array(64), at: AT, version };
    const claims = await verify({ kind, bytes: mintSgx(request) });
    expect(claims).toMatchObject({ measurement, signers: [signer] });
    expect(claims.extra['quoteVersion']).toBe(version);
  });

  it('flags debug, and takes the status and advisories of the level that matches', async () => {
    const collateral = mintCollateral(root, {
      at: AT - DAY,
      number: 17,
      status: 'SWHardeningNeeded',
      advisories: ['INTEL-SA-00615'],
    });
    const claims = await verify(mint(kind, { debug: true }), { collateral });
    expect(claims.debug).toBe(true);
    expect(claims.tcb).toMatchObject({
      status: 'SWHardeningNeeded',
      advisories: ['INTEL-SA-00615'],
      number: 17,
    });
  });

  it('falls to the lower level, merges the quoting enclave, or matches none', async () => {
    const lower = await verify(mint(kind, { svn: { component: 2 } }));
    expect(lower.tcb.status).toBe('OutOfDate');
    const oldQe = await verify(mint(kind, { svn: { qe: 2 } }));
    expect(oldQe.tcb.status).toBe('OutOfDate');
    expect(oldQe.extra).toMatchObject({ platformStatus: 'UpToDate', qeStatus: 'OutOfDate' });
    expect(await codeOf(verify(mint(kind, { svn: { component: 0 } })))).toBe('tcb-level-unmatched');
    expect(await codeOf(verify(mint(kind, { svn: { qe: 0 } })))).toBe('tcb-level-unmatched');
  });

  it('refuses a revoked platform and no other', async () => {
    const hardwareId = new Uint8Array(16).fill(0x44);
    const collateral = mintCollateral(root, { at: AT - DAY, revoked: [hardwareId] });
    const revoked = codeOf(verify(mint(kind, { hardwareId }), { collateral }));
    expect(await revoked).toBe('certificate-revoked');
    expect(await codeOf(verify(mint(kind), { collateral }))).toBe('accepted');
  });

  it('uses the newest of several bundles', async () => {
    const older = mintCollateral(root, { at: AT - DAY, number: 3 });
    const newer = mintCollateral(root, { at: AT - DAY, number: 4, status: 'OutOfDate' });
    for (const collateral of [
      [older, newer],
      [newer, older],
    ]) {
      const claims = await verifyEvidence(mint(kind), {
        crypto: nodeCrypto,
        roots: [root.root],
        at: AT,
        collateral,
      });
      expect(claims.tcb).toMatchObject({ number: 4, status: 'OutOfDate' });
    }
  });
});

describe('sev-snp', () => {
  it('flags debug and migration, and names who signed the launch', async () => {
    const signer = new Uint8Array(48).fill(0x55);
    const claims = await verify(mint('sev-snp', { debug: true, migratable: true, signer }));
    expect(claims).toMatchObject({ debug: true, migratable: true });
    expect(claims.signers).toEqual([signer]);
  });

  it('says how new the firmware is', async () => {
    const claims = await verify(mint('sev-snp', { svn: { snp: 30, guest: 5 } }));
    expect(claims.tcb).toMatchObject({ status: 'Unrated', svn: { snp: 30, guest: 5 } });
  });
});

describe('tdx-dcap', () => {
  const root = rootOf('tdx-dcap');
  const tdx = (more: object): Evidence => ({
    kind: 'tdx-dcap',
    bytes: mintTdx({
      root,
      measurement: new Uint8Array(48).fill(0x11),
      reportData: new Uint8Array(64),
      at: AT,
      ...more,
    }),
  });
  const status = async (more: object) => (await verify(tdx(more))).tcb.status;

  it('flags debug, migration and #VE injection', async () => {
    const claims = await verify(tdx({ debug: true, migratable: true, septVeDisabled: false }));
    expect(claims).toMatchObject({ debug: true, migratable: true });
    expect(claims.weaknesses).toContain('sept-ve-enabled');
  });

  it('counts a bound service TD as migratable', async () => {
    const current = new Uint8Array(16).fill(4);
    const claims = await verify(
      tdx({ teeTcbSvn2: current, mrServiceTd: new Uint8Array(48).fill(1) }),
    );
    expect(claims.migratable).toBe(true);
    expect(claims.weaknesses).toContain('service-td-bound');
    expect(claims.extra).toMatchObject({ quoteVersion: 5, body: 'td15' });
  });

  it('pins MRTD and every RTMR', async () => {
    const rtmrs = [1, 2, 3, 4].map((n) => new Uint8Array(48).fill(n));
    const pinned = (await verify(tdx({ rtmrs }))).measurement;
    for (let i = 0; i < 4; i++) {
      const changed = rtmrs.map((r, j) => (i === j ? new Uint8Array(48) : r));
      expect((await verify(tdx({ rtmrs: changed }))).measurement).not.toEqual(pinned);
    }
  });

  it('merges the module, and advises a relaunch where the running one is current', async () => {
    const svn = { module: 2 };
    const now = (module: number) => Uint8Array.of(module, 1, 4, ...new Uint8Array(13));
    expect(await status({})).toBe('UpToDate');
    expect(await status({ svn })).toBe('OutOfDate');
    expect(await status({ svn, teeTcbSvn2: now(2) })).toBe('OutOfDate');
    expect(await status({ svn, teeTcbSvn2: now(4) })).toBe('TDRelaunchAdvised');
    expect(await status({ svn: { module: 2, qe: 2 }, teeTcbSvn2: now(4) })).toBe('OutOfDate');
    const configuration = mintCollateral(root, { at: AT - DAY, status: 'ConfigurationNeeded' });
    const evidence = tdx({ svn, teeTcbSvn2: now(4) });
    const claims = await verify(evidence, { collateral: configuration });
    expect(claims.tcb.status).toBe('TDRelaunchAdvisedConfigurationNeeded');
  });

  it('refuses a module that TCB info does not name', async () => {
    const unknown = codeOf(verify(tdx({ svn: { moduleVersion: 9 } })));
    expect(await unknown).toBe('module-identity-mismatch');
    expect(await codeOf(verify(tdx({ svn: { module: 0 } })))).toBe('tcb-level-unmatched');
  });

  it('is not taken for SGX, nor SGX for it', async () => {
    const sgxRoot = { ...root.root, kinds: ['sgx-dcap' as const] };
    const asSgx = { kind: 'sgx-dcap' as const, bytes: tdx({}).bytes };
    expect(await codeOf(verify(asSgx, { roots: [sgxRoot] }))).toBe('evidence-field-invalid');
    expect(await codeOf(verify(tdx({}), { roots: [sgxRoot] }))).toBe('root-untrusted');
  });
});

describe('nitro', () => {
  it('is judged at its own time, within three hours', async () => {
    const at = (ms: number) => codeOf(verify(mint('nitro'), { at: AT + ms }));
    expect(await at(0)).toBe('accepted');
    expect(await at(3 * 3_600_000)).toBe('accepted');
    expect(await at(3 * 3_600_000 + 1)).toBe('certificate-expired');
    expect(await at(-5 * 60_000)).toBe('accepted');
    expect(await at(-5 * 60_000 - 1)).toBe('evidence-field-invalid');
  });

  it('flags debug mode', async () => {
    const claims = await verify(mint('nitro', { debug: true }));
    expect(claims.debug).toBe(true);
    expect(claims.time.attestedAt).toBe(AT);
  });
});
