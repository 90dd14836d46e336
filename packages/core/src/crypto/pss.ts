// SPDX-License-Identifier: Apache-2.0
// RSA-PSS salt lengths (RFC 8017 section 9.1.1). A signature does not say its salt's length and
// WebCrypto must be told it, so both forms of the crypto port try the two lengths that are in use:
// the hash's (AMD, most of PKI) and the longest that fits (many TPMs). No other salt is accepted.
import type { SignatureScheme } from './port.ts';

/** The salt lengths to try for `scheme` under a modulus of `modulusBits`, in bytes. */
export function pssSaltLengths(modulusBits: number, scheme: SignatureScheme): number[] {
  const hashLength = Number(scheme.split('-sha').at(-1)) / 8;
  // The encoded message holds the hash, the salt and two more bytes.
  const longest = Math.ceil((modulusBits - 1) / 8) - hashLength - 2;
  return [...new Set([hashLength, longest])].filter((length) => length >= 0);
}
