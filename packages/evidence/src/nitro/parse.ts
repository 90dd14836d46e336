// SPDX-License-Identifier: Apache-2.0
// Nitro attestation documents to a frozen struct: a COSE_Sign1, tagged or not, whose payload is a
// CBOR map. Every limit of AWS's syntactical validation is checked; no cryptography.
//
//   [ protected { 1: -35 }, unprotected {}, payload, signature 96 ]
//   payload { module_id, digest: "SHA384", timestamp (ms), pcrs { n: 48 bytes },
//             certificate (DER), cabundle [DER...], public_key, user_data, nonce }
import { type Cbor, concat, decodeCborLenient, encodeCbor } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import {
  COSE_ALG_ES384,
  DIGEST,
  MAX_CABUNDLE,
  MAX_CERTIFICATE_BYTES,
  MAX_DOCUMENT_BYTES,
  MAX_FIELD_BYTES,
  MAX_PUBLIC_KEY_BYTES,
  PCR_COUNT,
  TAG_COSE_SIGN1,
} from './constants.ts';

export interface NitroDocument {
  readonly moduleId: string;
  /** Milliseconds. */
  readonly timestamp: number;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly certificate: Uint8Array;
  /** Root first. */
  readonly cabundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array;
  readonly userData: Uint8Array;
  readonly nonce: Uint8Array;
  /** The Sig_structure that was signed (RFC 9052, section 4.4). */
  readonly signed: Uint8Array;
  /** r || s, 96 bytes. */
  readonly signature: Uint8Array;
}

/** @throws CodedError `evidence-malformed`, `evidence-key-type-unsupported`, core's CBOR codes */
export function parseNitro(bytes: Uint8Array): NitroDocument {
  if (bytes.length > MAX_DOCUMENT_BYTES) throw bad(`of ${bytes.length} bytes is too large`);
  const untagged = bytes[0] === TAG_COSE_SIGN1 ? bytes.subarray(1) : bytes;
  const parts: unknown = decodeCborLenient(untagged, { maps: true });
  if (!Array.isArray(parts) || parts.length !== 4) throw bad('is not a COSE_Sign1');
  const [protectedHeader, unprotected, payload, signature] = parts as unknown[];
  if (!(protectedHeader instanceof Uint8Array) || !(payload instanceof Uint8Array)) {
    throw bad('lacks a protected header or a payload');
  }
  if (!(unprotected instanceof Map) || unprotected.size !== 0) throw bad('has unprotected headers');
  if (!(signature instanceof Uint8Array) || signature.length !== 96) {
    throw bad('has no signature of 96 bytes');
  }
  const header: unknown = decodeCborLenient(protectedHeader, { maps: true });
  if (!(header instanceof Map) || header.size !== 1 || header.get(1) !== COSE_ALG_ES384) {
    throw evidenceError('evidence-key-type-unsupported', 'a Nitro document not signed with ES384');
  }
  const signed = concat(
    Uint8Array.of(0x84),
    ...(['Signature1', protectedHeader, new Uint8Array(0), payload] as Cbor[]).map(encodeCbor),
  );
  return Object.freeze({ ...parsePayload(payload), signed, signature });
}

function bad(what: string): Error {
  return evidenceError('evidence-malformed', `a Nitro document ${what}`);
}

const FIELDS = new Set<unknown>([
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  'public_key',
  'user_data',
  'nonce',
]);

function parsePayload(payload: Uint8Array): Omit<NitroDocument, 'signed' | 'signature'> {
  // Documents of 2025 and later write their maps and lists with indefinite lengths.
  const map: unknown = decodeCborLenient(payload, { maps: true, indefinite: true });
  if (!(map instanceof Map)) throw bad('has a payload that is not a map');
  for (const name of map.keys()) {
    if (!FIELDS.has(name)) throw bad(`has an unknown field ${String(name).slice(0, 40)}`);
  }
  const moduleId: unknown = map.get('module_id');
  const timestamp: unknown = map.get('timestamp');
  const cabundle: unknown = map.get('cabundle');
  if (typeof moduleId !== 'string' || moduleId === '' || moduleId.length > 256) {
    throw bad('has no module id');
  }
  if (map.get('digest') !== DIGEST) throw bad('has a digest other than SHA384');
  if (typeof timestamp !== 'number' || !isTime(timestamp)) {
    throw bad('has no timestamp');
  }
  if (!Array.isArray(cabundle) || cabundle.length === 0 || cabundle.length > MAX_CABUNDLE) {
    throw bad('has no CA bundle, or one that is too long');
  }
  const certificate = bytesField(map.get('certificate'), 'certificate', MAX_CERTIFICATE_BYTES);
  return {
    moduleId,
    timestamp,
    pcrs: parsePcrs(map.get('pcrs')),
    certificate,
    cabundle: cabundle.map((c) => bytesField(c, 'cabundle', MAX_CERTIFICATE_BYTES)),
    publicKey: optional(map.get('public_key'), 'public_key', MAX_PUBLIC_KEY_BYTES),
    userData: optional(map.get('user_data'), 'user_data', MAX_FIELD_BYTES),
    nonce: optional(map.get('nonce'), 'nonce', MAX_FIELD_BYTES),
  };
}

function parsePcrs(value: unknown): Map<number, Uint8Array> {
  if (!(value instanceof Map) || value.size === 0 || value.size > PCR_COUNT) {
    throw bad('has no PCRs, or too many');
  }
  const out = new Map<number, Uint8Array>();
  for (const [index, pcr] of value) {
    const fits = Number.isInteger(index) && index >= 0 && index < PCR_COUNT;
    if (!fits || !(pcr instanceof Uint8Array) || pcr.length !== 48) throw bad('has a bad PCR');
    out.set(index as number, pcr);
  }
  return out;
}

/** Milliseconds that a date can have (ECMA-262, time values). */
function isTime(ms: number): boolean {
  return Number.isSafeInteger(ms) && ms > 0 && ms <= 8.64e15;
}

function bytesField(value: unknown, name: string, limit: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length === 0 || value.length > limit) {
    throw bad(`has a field '${name}' that is not 1 to ${limit} bytes`);
  }
  return value;
}

function optional(value: unknown, name: string, limit: number): Uint8Array {
  if (value === undefined || value === null) return new Uint8Array(0);
  if (value instanceof Uint8Array && value.length <= limit) return value;
  throw bad(`has a field '${name}' of more than ${limit} bytes`);
}
