// SPDX-License-Identifier: Apache-2.0
// Mints SNP reports v3 of a Genoa with their certificate table, and bundles of ASK and CRL, under a
// development root in AMD's shapes: below the root even the names are AMD's. RSA keys have 2,048
// bits where AMD's have 4,096. `measurement` is the launch digest, `signer` the id key digest, the
// hardware id the chip id; SVNs: bootloader, tee, snp, microcode, guest.
import { concat, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { evidenceError } from '../errors.ts';
import { der, ia5, int, name, oid, seq } from '../mint/der.ts';
import { mintKey, mintSign, publicOf } from '../mint/keys.ts';
import { checkedRequest } from '../mint/request.ts';
import type {
  DevelopmentRoot,
  DevelopmentRootOptions,
  MintCollateralOptions,
  MintRequest,
} from '../mint/types.ts';
import {
  caExtensions,
  listExtension,
  type MintIssuer,
  mintCertificate,
  mintCrl,
  serialOf,
} from '../mint/x509.ts';
import { rootFromCertificate } from '../roots/make.ts';
import type { Collateral } from '../types.ts';
import { parseCertificate } from '../x509/certificate.ts';
import {
  GUIDS,
  OID_HWID,
  OID_PRODUCT,
  OID_SPL,
  OID_STRUCT_VERSION,
  REPORT_BYTES,
  SIGNED_BYTES,
} from './constants.ts';

const YEAR_MS = 365 * 86_400_000;
const DEFAULT_FROM = Date.UTC(2025, 0, 1);
const LIFETIME_MS = 30 * 86_400_000;
const PRODUCT = 'Genoa';
const ARK_NAME = name(`ARK-${PRODUCT}`);
const ASK_NAME = amdName(`SEV-${PRODUCT}`);
const SCHEME = 'rsa-pss-sha384';
const DEFAULT_SVN = { bootloader: 10, tee: 0, snp: 24, microcode: 84 } as const;
/** ABI 1.55 and reserved bit 17, which is always one. */
const POLICY = 0x2_0137n;
const POLICY_MIGRATE = 1n << 18n;
const POLICY_DEBUG = 1n << 19n;
/** Alias check complete, ciphertext hiding off. */
const PLATFORM_INFO = 0x20n;

/** A Name as AMD's key distribution service writes it (57230, tables 8 and 9). */
function amdName(commonName: string): Uint8Array {
  const attribute = (id: string, text: string): Uint8Array =>
    der(0x31, seq(oid(id), der(0x0c, utf8(text))));
  return seq(
    attribute('2.5.4.11', 'Engineering'),
    attribute('2.5.4.6', 'US'),
    attribute('2.5.4.7', 'Santa Clara'),
    attribute('2.5.4.8', 'CA'),
    attribute('2.5.4.10', 'Advanced Micro Devices'),
    attribute('2.5.4.3', commonName),
  );
}

export function createSnpRoot(options: DevelopmentRootOptions): DevelopmentRoot {
  const { seed, from = DEFAULT_FROM } = options;
  const keys = {
    ark: mintKey('rsa2048', 'sev-snp/ark', seed),
    ask: mintKey('rsa2048', 'sev-snp/ask', seed),
    vcek: mintKey('p384', 'sev-snp/vcek', seed),
  };
  const issuer: MintIssuer = { name: ARK_NAME, key: keys.ark, scheme: SCHEME };
  const issue = (subject: Uint8Array, secret: Uint8Array, pathLength: number): Uint8Array =>
    mintCertificate({
      issuer,
      subject,
      publicKey: publicOf(secret),
      serial: serialOf(publicOf(secret)),
      from,
      to: from + 25 * YEAR_MS,
      extensions: [...caExtensions(pathLength), listExtension()],
    });
  const certificates = { ark: issue(ARK_NAME, keys.ark, 1), ask: issue(ASK_NAME, keys.ask, 0) };
  const root = rootFromCertificate(nodeCrypto, certificates.ark, {
    family: 'amd',
    kinds: ['sev-snp', 'azure-snp-vtpm'],
    trust: 'simulated',
    source: 'a development root of this project',
  });
  return { kind: 'sev-snp', root, subject: PRODUCT, keys, certificates };
}

type Svn = Readonly<Record<keyof typeof DEFAULT_SVN, number>>;
const leaves = new WeakMap<DevelopmentRoot, Map<string, Uint8Array>>();

function vcek(root: DevelopmentRoot, chipId: Uint8Array, svn: Svn): Uint8Array {
  const known = leaves.get(root) ?? new Map<string, Uint8Array>();
  leaves.set(root, known);
  const id = `${chipId.join()}/${Object.values(svn).join()}`;
  const cached = known.get(id);
  if (cached !== undefined) return cached;
  const ask = parseCertificate(root.certificates['ask'] as Uint8Array);
  const spl = (n: number, value: number) => ({ oid: `${OID_SPL}.${n}`, value: int(value) });
  const made = mintCertificate({
    issuer: { name: ASK_NAME, key: root.keys['ask'] as Uint8Array, scheme: SCHEME },
    subject: amdName('SEV-VCEK'),
    publicKey: publicOf(root.keys['vcek'] as Uint8Array),
    serial: 0,
    from: ask.notBefore,
    to: ask.notAfter,
    extensions: [
      { oid: OID_STRUCT_VERSION, value: int(0) },
      { oid: OID_PRODUCT, value: ia5(PRODUCT) },
      spl(1, svn.bootloader),
      spl(2, svn.tee),
      spl(3, svn.snp),
      ...[4, 5, 6, 7].map((n) => spl(n, 0)),
      spl(8, svn.microcode),
      { oid: OID_HWID, value: chipId },
    ],
  });
  known.set(id, made);
  return made;
}

/** Evidence bytes of kind `sev-snp`. @throws CodedError `mint-usage` */
export function mintSnp(request: MintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'sev-snp');
  const { root } = request;
  const svn: Svn = { ...DEFAULT_SVN, ...request.svn };
  const report = new Uint8Array(REPORT_BYTES);
  const view = new DataView(report.buffer);
  const tcb = Uint8Array.of(svn.bootloader, svn.tee, 0, 0, 0, 0, svn.snp, svn.microcode);
  const policy =
    POLICY |
    (request.debug === true ? POLICY_DEBUG : 0n) |
    (request.migratable === true ? POLICY_MIGRATE : 0n);
  view.setUint32(0x00, 3, true);
  view.setUint32(0x04, request.svn?.['guest'] ?? 0, true);
  view.setBigUint64(0x08, policy, true);
  view.setUint32(0x34, 1, true);
  view.setBigUint64(0x40, PLATFORM_INFO, true);
  report.set(request.reportData, 0x50);
  report.set(request.measurement, 0x90);
  report.set(request.signer ?? new Uint8Array(48), 0xe0);
  report.fill(0xff, 0x160, 0x180);
  for (const at of [0x38, 0x180, 0x1e0, 0x1f0]) report.set(tcb, at);
  report.set([0x19, 0x11, 0x01], 0x188);
  report.set(hardwareId, 0x1a0);
  const signature = mintSign(
    'ecdsa-p384-sha384',
    root.keys['vcek'] as Uint8Array,
    report.subarray(0, SIGNED_BYTES),
  );
  report.set(signature.slice(0, 48).reverse(), SIGNED_BYTES);
  report.set(signature.slice(48).reverse(), SIGNED_BYTES + 72);
  return concat(report, certificateTable({ vcek: vcek(root, hardwareId, svn) }));
}

/** A certificate table of an extended guest request (AMD 56421, section 4.1.8.1). */
export function certificateTable(
  entries: Readonly<Partial<Record<keyof typeof GUIDS, Uint8Array>>>,
): Uint8Array {
  const list = Object.entries(entries) as [keyof typeof GUIDS, Uint8Array][];
  const head = new Uint8Array(24 * (list.length + 1));
  const view = new DataView(head.buffer);
  let offset = head.length;
  for (const [i, [entry, bytes]] of list.entries()) {
    head.set(GUIDS[entry], 24 * i);
    view.setUint32(24 * i + 16, offset, true);
    view.setUint32(24 * i + 20, bytes.length, true);
    offset += bytes.length;
  }
  return concat(head, ...list.map(([, bytes]) => bytes));
}

/** ASK and CRL. AMD's lists name intermediates only, so single chips cannot be revoked. */
export function snpItems(
  root: DevelopmentRoot,
  options: MintCollateralOptions,
): Collateral['items'] {
  if ((options.revoked ?? []).length > 0) {
    throw evidenceError(
      'mint-usage',
      'AMD lists revoke intermediates, not chips: use revokeIntermediate',
    );
  }
  const { at, lifetime = LIFETIME_MS, number = 1 } = options;
  const ask = root.certificates['ask'] as Uint8Array;
  const crl = mintCrl({
    issuer: { name: ARK_NAME, key: root.keys['ark'] as Uint8Array, scheme: SCHEME },
    from: at,
    to: at + lifetime,
    number,
    revoked:
      options.revokeIntermediate === true
        ? [serialOf(publicOf(root.keys['ask'] as Uint8Array))]
        : [],
  });
  return { ask, crl };
}
