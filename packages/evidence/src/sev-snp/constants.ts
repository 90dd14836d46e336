// SPDX-License-Identifier: Apache-2.0
// Numbers of SEV-SNP. Sources: AMD 56860 "SEV Secure Nested Paging Firmware ABI" revision 1.58
// (table 23, ATTESTATION_REPORT; tables 3-5, TCB_VERSION, GUEST_POLICY), AMD 57230 "VCEK
// Certificate and KDS Interface" (extensions), AMD 56421 GHCB section 4.1.8.1 (certificate table).
import { fromHex } from '@cloister/core';

export const REPORT_BYTES = 1184;
/** The signature covers bytes [0, 0x2a0). */
export const SIGNED_BYTES = 0x2a0;
/** r and s are little endian in 72 bytes each; P-384 fills 48. */
export const SIGNATURE_FIELD_BYTES = 72;
export const P384_BYTES = 48;
export const ALGO_ECDSA_P384_SHA384 = 1;
export const VERSIONS: ReadonlySet<number> = new Set([2, 3, 5]);

export const SIGNING_KEY_VCEK = 0;
export const SIGNING_KEY_VLEK = 1;

export const POLICY_SMT = 1n << 16n;
export const POLICY_MIGRATE_MA = 1n << 18n;
export const POLICY_DEBUG = 1n << 19n;
export const POLICY_SINGLE_SOCKET = 1n << 20n;

export const PLATFORM_SMT = 1n << 0n;
export const PLATFORM_TSME = 1n << 1n;
export const PLATFORM_CIPHERTEXT_HIDING = 1n << 4n;
export const PLATFORM_ALIAS_CHECK = 1n << 5n;

export const OID_STRUCT_VERSION = '1.3.6.1.4.1.3704.1.1';
export const OID_PRODUCT = '1.3.6.1.4.1.3704.1.2';
export const OID_SPL = '1.3.6.1.4.1.3704.1.3';
export const OID_HWID = '1.3.6.1.4.1.3704.1.4';
export const OID_CSP_ID = '1.3.6.1.4.1.3704.1.5';

export type SnpProduct = 'Milan' | 'Genoa' | 'Turin';
/** CPUID family and models by product (AMD 56860, CPUID_FAM_ID; Siena, Bergamo are Genoa). */
export const CPUID_PRODUCTS: readonly {
  readonly family: number;
  readonly from: number;
  readonly to: number;
  readonly product: SnpProduct;
}[] = [
  { family: 0x19, from: 0x00, to: 0x0f, product: 'Milan' },
  { family: 0x19, from: 0x10, to: 0x1f, product: 'Genoa' },
  { family: 0x19, from: 0xa0, to: 0xaf, product: 'Genoa' },
  { family: 0x1a, from: 0x00, to: 0x1f, product: 'Turin' },
];

/** GUIDs of the certificate table (AMD 56421, section 4.1.8.1), in the order of RFC 4122. */
export const GUIDS = {
  vcek: fromHex('63da758de6644564adc5f4b93be8accd'),
  vlek: fromHex('a8074bc2a25a483eaae639c045a0b8a1'),
  ask: fromHex('4ab7b379bbac4fe4a02f05aef327c782'),
  ark: fromHex('c0b406a4a803495297433fb6014cd0ae'),
  crl: fromHex('92f81bc358114d3d97ffd19f88dc67ea'),
} as const;
export const MAX_TABLE_ENTRIES = 16;
export const MAX_TABLE_BYTES = 65_536;

/** Ciphertext in memory is visible to the host and repeats for equal plaintext (CVE-2020-12966). */
export const WEAKNESS_CIPHERTEXT = 'ciphertext-side-channel';
/** Memory aliases were not checked at boot (BadRAM, CVE-2024-21944, AMD-SB-3015). */
export const WEAKNESS_ALIAS = 'memory-alias-unchecked';
/** No revocation list of the AMD root was given. */
export const WEAKNESS_REVOCATION = 'revocation-unchecked';
/** Uncommitted firmware: it may be rolled back without notice. */
export const WEAKNESS_PROVISIONAL = 'provisional-firmware';
/** Bus interposers (Battering RAM, TEE.fail, 2025) are held out of scope by the maker. */
export const WEAKNESS_INTERPOSER = 'memory-interposer';
