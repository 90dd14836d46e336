// SPDX-License-Identifier: Apache-2.0
// The SGX extension of PCK certificates: which platform (PPID, FMSPC, PCE-ID) and at which TCB.
// Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5.
import { toHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { type DerReader, derRoot, TAG } from '../x509/der.ts';
import { OID_FMSPC, OID_PCEID, OID_PPID, OID_SGX, OID_TCB } from './constants.ts';

export interface PckInfo {
  readonly ppid: Uint8Array;
  /** SVNs of the 16 components. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  readonly cpuSvn: Uint8Array;
  /** Hexadecimal, lower case. */
  readonly pceId: string;
  readonly fmspc: string;
}

/** @throws CodedError `certificate-malformed`, `der-malformed` */
export function parsePckInfo(certificate: Certificate): PckInfo {
  const extension = certificate.extensions.get(OID_SGX);
  if (extension === undefined) {
    throw evidenceError('certificate-malformed', 'a PCK certificate has no SGX extension');
  }
  const fields = readPairs(derRoot(extension.value));
  const tcb = readPairs(field(fields, OID_TCB).enter());
  const components: number[] = [];
  for (let i = 1; i <= 16; i++) components.push(small(field(tcb, `${OID_TCB}.${i}`), 255));
  return {
    ppid: field(fields, OID_PPID).octets(16),
    components,
    pceSvn: small(field(tcb, `${OID_TCB}.17`), 65_535),
    cpuSvn: field(tcb, `${OID_TCB}.18`).octets(16),
    pceId: toHex(field(fields, OID_PCEID).octets(2)),
    fmspc: toHex(field(fields, OID_FMSPC).octets(6)),
  };
}

function small(reader: DerReader, limit: number): number {
  const value = reader.small();
  if (value > limit)
    throw evidenceError('certificate-malformed', `an SVN of ${value} is too large`);
  return value;
}

function readPairs(list: DerReader): Map<string, DerReader> {
  const out = new Map<string, DerReader>();
  while (!list.done) {
    const pair = list.enter(TAG.sequence);
    const oid = pair.oid();
    if (out.has(oid))
      throw evidenceError('certificate-malformed', `SGX extension has ${oid} twice`);
    out.set(oid, pair);
  }
  return out;
}

function field(fields: Map<string, DerReader>, oid: string): DerReader {
  const found = fields.get(oid);
  if (found === undefined)
    throw evidenceError('certificate-malformed', `SGX extension lacks ${oid}`);
  return found;
}
