// SPDX-License-Identifier: Apache-2.0
// The items of a DCAP bundle, named after Intel's `sgx_ql_qve_collateral_t` (DCAP quote
// verification library), and how they come from the JSON that PCS tools write.
//
//   pck-crl-issuer-chain, tcb-info-issuer-chain, qe-identity-issuer-chain   PEM
//   root-ca-crl, pck-crl                                                    DER
//   tcb-info, qe-identity                     the signed JSON objects, byte for byte
//   tcb-info-signature, qe-identity-signature r || s, 64 bytes
import { CodedError, fromHex, fromUtf8, toHex, utf8 } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type Json, JsonView } from '../json.ts';
import { parsePem } from '../x509/pem.ts';
import { parseEnclaveIdentity, parseTcbInfo } from './tcb-info.ts';

export const DCAP_ITEMS = [
  'pck-crl-issuer-chain',
  'root-ca-crl',
  'pck-crl',
  'tcb-info-issuer-chain',
  'tcb-info',
  'tcb-info-signature',
  'qe-identity-issuer-chain',
  'qe-identity',
  'qe-identity-signature',
] as const;
type DcapItem = (typeof DCAP_ITEMS)[number];

/** Subject (FMSPC) and number (the lower tcbEvaluationDataNumber of the two statements). */
export function deriveDcap(
  items: Readonly<Record<string, Uint8Array>>,
  tee: 'SGX' | 'TDX',
): { subject: string; number: number } {
  for (const name of DCAP_ITEMS) {
    if (!Object.hasOwn(items, name)) {
      throw evidenceError('collateral-malformed', `a DCAP bundle lacks '${name}'`);
    }
  }
  const info = parseTcbInfo(items['tcb-info'] as Uint8Array);
  const identity = parseEnclaveIdentity(items['qe-identity'] as Uint8Array);
  if (info.tee !== tee || identity.id !== (tee === 'SGX' ? 'QE' : 'TD_QE')) {
    const got = `${info.tee} TCB info and ${identity.id} identity`;
    throw evidenceError('collateral-malformed', `wanted ${tee} collateral, got ${got}`);
  }
  return { subject: info.fmspc, number: Math.min(info.number, identity.number) };
}

/** Items from the JSON of PCS tools: DER and signatures in hexadecimal, chains in PEM. */
export function itemsFromDcapBundle(value: Json): Record<string, Uint8Array> {
  const outer = new JsonView(value, 'collateral-malformed');
  const json = outer.has('collateral') ? outer.get('collateral') : outer;
  const out: Record<string, Uint8Array> = {};
  for (const name of DCAP_ITEMS) {
    const text = json.get(name.replaceAll('-', '_')).text();
    out[name] = BINARY.has(name) ? binary(text, name) : utf8(text);
  }
  return out;
}

const BINARY: ReadonlySet<DcapItem> = new Set<DcapItem>([
  'root-ca-crl',
  'pck-crl',
  'tcb-info-signature',
  'qe-identity-signature',
]);

function binary(text: string, name: string): Uint8Array {
  try {
    if (text.startsWith('-----BEGIN')) return parsePem(utf8(text), 'X509 CRL')[0] as Uint8Array;
    return fromHex(text);
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw evidenceError('collateral-malformed', `'${name}' is not hexadecimal`, { cause });
  }
}

/** The JSON text of the inverse, for files that people read. */
export function dcapBundleJson(items: Readonly<Record<string, Uint8Array>>): string {
  const out: Record<string, string> = {};
  for (const name of DCAP_ITEMS) {
    const bytes = items[name] as Uint8Array;
    out[name.replaceAll('-', '_')] = BINARY.has(name) ? toHex(bytes) : fromUtf8(bytes);
  }
  return JSON.stringify(out, null, 1);
}
