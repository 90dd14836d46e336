// SPDX-License-Identifier: Apache-2.0
// What a verified SNP report proves. `measurement` is the launch digest (48 bytes): the guest's
// pages and VMSAs as launched. The maker publishes no TCB status, so it is `Unrated` and policies
// set minimum SVNs. `migratable` is the guest policy's MIGRATE_MA bit.
import { utf8 } from '@cloister/core';
import { isZero } from '../bytes.ts';
import type { Claims, Collateral, HardwareId } from '../types.ts';
import type { ValidPath } from '../x509/chain.ts';
import {
  PLATFORM_ALIAS_CHECK,
  PLATFORM_CIPHERTEXT_HIDING,
  PLATFORM_SMT,
  PLATFORM_TSME,
  POLICY_DEBUG,
  POLICY_MIGRATE_MA,
  POLICY_SINGLE_SOCKET,
  POLICY_SMT,
  type SnpProduct,
  WEAKNESS_ALIAS,
  WEAKNESS_CIPHERTEXT,
  WEAKNESS_INTERPOSER,
  WEAKNESS_PROVISIONAL,
  WEAKNESS_REVOCATION,
} from './constants.ts';
import { type SnpReport, tcbParts } from './parse.ts';

/** What a VCEK or VLEK says beyond its key. */
export interface SnpLeaf {
  readonly product: SnpProduct;
  readonly svn: Readonly<Record<string, number>>;
  readonly hardwareId: Uint8Array | undefined;
  readonly cspId: string | undefined;
}

/** A verified report and what its chain proved. */
export interface VerifiedReport {
  readonly report: SnpReport;
  readonly leaf: SnpLeaf;
  readonly path: ValidPath;
  readonly collateral: Collateral;
  readonly crlChecked: boolean;
  /** Milliseconds. */
  readonly validUntil: number;
}

export function snpClaims(verified: VerifiedReport, at: number): Claims {
  const { report, leaf, path } = verified;
  const { root } = path;
  const signers: Uint8Array[] = [];
  if (!isZero(report.idKeyDigest)) signers.push(report.idKeyDigest);
  if (report.authorKeyEnabled && !isZero(report.authorKeyDigest)) {
    signers.push(report.authorKeyDigest);
  }
  return {
    kind: 'sev-snp',
    measurement: report.measurement,
    measurements: snpMeasurements(report),
    signers,
    reportData: report.reportData,
    binding: 'report-data',
    debug: (report.policy & POLICY_DEBUG) !== 0n,
    migratable: (report.policy & POLICY_MIGRATE_MA) !== 0n,
    tcb: {
      status: 'Unrated',
      advisories: [],
      svn: { ...tcbParts(report.reportedTcb, leaf.product), guest: report.guestSvn },
      number: verified.collateral.number,
    },
    hardwareId: snpHardwareId(report, leaf),
    family: root.family,
    root: root.fingerprint,
    trust: root.trust,
    time: { judgedAt: at, validUntil: verified.validUntil },
    weaknesses: snpWeaknesses(verified),
    extra: snpExtra(verified),
    proved: snpProved(verified),
  };
}

export function snpMeasurements(report: SnpReport): Record<string, Uint8Array> {
  return {
    measurement: report.measurement,
    'host-data': report.hostData,
    'family-id': report.familyId,
    'image-id': report.imageId,
    'id-key-digest': report.idKeyDigest,
    'author-key-digest': report.authorKeyDigest,
    'report-id': report.reportId,
    vmpl: Uint8Array.of(report.vmpl & 0xff),
  };
}

/** With a masked chip id a VLEK proves a provider's fleet, not a chip. */
export function snpHardwareId(report: SnpReport, leaf: SnpLeaf): HardwareId {
  if (!isZero(report.chipId)) return { type: 'chip-id', value: report.chipId };
  if (leaf.hardwareId !== undefined) {
    const value = new Uint8Array(64);
    value.set(leaf.hardwareId);
    return { type: 'chip-id', value };
  }
  return { type: 'csp-id', value: utf8(leaf.cspId ?? '') };
}

export function snpWeaknesses({ report, crlChecked }: VerifiedReport): string[] {
  const out = [WEAKNESS_INTERPOSER];
  if ((report.platformInfo & PLATFORM_CIPHERTEXT_HIDING) === 0n) out.push(WEAKNESS_CIPHERTEXT);
  if ((report.platformInfo & PLATFORM_ALIAS_CHECK) === 0n) out.push(WEAKNESS_ALIAS);
  if (!crlChecked) out.push(WEAKNESS_REVOCATION);
  if (report.currentTcb.join() !== report.committedTcb.join()) out.push(WEAKNESS_PROVISIONAL);
  return out;
}

export function snpExtra({
  report,
  leaf,
}: VerifiedReport): Record<string, string | number | boolean> {
  return {
    reportVersion: report.version,
    product: leaf.product,
    signingKey: report.signingKey,
    vmpl: report.vmpl,
    guestPolicy: `0x${report.policy.toString(16)}`,
    smtAllowed: (report.policy & POLICY_SMT) !== 0n,
    singleSocket: (report.policy & POLICY_SINGLE_SOCKET) !== 0n,
    smtEnabled: (report.platformInfo & PLATFORM_SMT) !== 0n,
    tsmeEnabled: (report.platformInfo & PLATFORM_TSME) !== 0n,
    migrationAgent: !report.reportIdMa.every((byte) => byte === 0xff),
    ...(leaf.cspId === undefined ? {} : { cspId: leaf.cspId }),
  };
}

export function snpProved({ path, leaf, report, crlChecked }: VerifiedReport): string[] {
  return [
    `the ${report.signingKey} chains through SEV-${leaf.product} to ${path.root.family}'s root`,
    crlChecked ? 'the ASK is not revoked' : 'revocation was not checked: no CRL was given',
    'the certificate is for this product, chip and reported TCB',
    'the chip signed this report',
  ];
}
