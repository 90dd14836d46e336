// SPDX-License-Identifier: Apache-2.0
// Numbers of Intel's DCAP formats. Sources: "Intel SGX ECDSA QuoteLibReference DCAP API" (quote
// v3), "Intel TDX DCAP Quoting Library API" appendix A (v4, v5), "Intel SGX PCK Certificate and CRL
// Profile Specification" (extension), PCS API v4 (TCB info and identities).
import { fromHex } from '@cloister/core';

export const SGX_REPORT_BYTES = 384;
export const TD10_REPORT_BYTES = 584;
export const TD15_REPORT_BYTES = 648;

/** Attestation key type 2: ECDSA-256 with P-256. */
export const KEY_TYPE_ECDSA_P256 = 2;
export const TEE_TYPE_SGX = 0x00;
export const TEE_TYPE_TDX = 0x81;
/** Intel's quoting enclave vendor, 939a7233-f79c-4ca9-940a-0db3957f0607. */
export const QE_VENDOR_INTEL = fromHex('939a7233f79c4ca9940a0db3957f0607');

/** Certification data: 5 is the PCK chain in PEM; 6 wraps the QE report (v4, v5). */
export const CERT_TYPE_PCK_CHAIN = 5;
export const CERT_TYPE_QE_REPORT = 6;

/** v5 body descriptors. */
export const BODY_SGX = 1;
export const BODY_TD10 = 2;
export const BODY_TD15 = 3;

/**
 * Quotes come in buffers of fixed size whose rest is zero: so many zero bytes may follow. Captures
 * carry 0, 70, 2,365 and 3,065 of them. Any other byte after a quote is refused.
 */
export const MAX_PADDING_BYTES = 4096;
export const MAX_QUOTE_BYTES = 65_536;

export const OID_SGX = '1.2.840.113741.1.13.1';
export const OID_PPID = `${OID_SGX}.1`;
export const OID_TCB = `${OID_SGX}.2`;
export const OID_PCEID = `${OID_SGX}.3`;
export const OID_FMSPC = `${OID_SGX}.4`;
export const OID_SGX_TYPE = `${OID_SGX}.5`;

/** Attribute bit 1 of an SGX report (Intel SDM vol. 3D, 34.7.1). */
export const SGX_ATTRIBUTE_DEBUG = 0x02;

/**
 * Physical attacks on the memory bus (Battering RAM, WireTap, TEE.fail, 2025) extract keys from
 * machines whose owner is the attacker; Intel holds them out of scope.
 */
export const WEAKNESS_INTERPOSER = 'memory-interposer';
