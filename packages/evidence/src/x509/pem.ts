// SPDX-License-Identifier: Apache-2.0
// PEM (RFC 7468): the DER of each block with one label, in order. Text between blocks is ignored,
// as the RFC's section 2 allows; a NUL terminator, which quotes carry, ends the text.
import { fromBase64, isCoded, toBase64 } from '@cloister/core';
import { evidenceError } from '../errors.ts';

const MAX_BLOCKS = 16;
/** A character a byte, whatever the bytes are. */
const latin1 = new TextDecoder('latin1');

/** @throws CodedError `pem-malformed` when there is no block, too many, or bad base64 */
export function parsePem(bytes: Uint8Array, label = 'CERTIFICATE'): Uint8Array[] {
  const nul = bytes.indexOf(0);
  const text = latin1.decode(nul === -1 ? bytes : bytes.subarray(0, nul));
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  for (let at = text.indexOf(begin); at !== -1; at = text.indexOf(begin, at)) {
    const stop = text.indexOf(end, at);
    if (stop === -1) throw evidenceError('pem-malformed', `PEM: a ${label} block does not end`);
    if (blocks.length === MAX_BLOCKS) {
      throw evidenceError('pem-malformed', `PEM: more than ${MAX_BLOCKS} blocks`);
    }
    const body = text.slice(at + begin.length, stop).replace(/[\r\n\t ]/g, '');
    try {
      blocks.push(fromBase64(body));
    } catch (cause) {
      if (!isCoded(cause)) throw cause;
      throw evidenceError('pem-malformed', `PEM: a ${label} block is not base64`, { cause });
    }
    at = stop + end.length;
  }
  if (blocks.length === 0) throw evidenceError('pem-malformed', `PEM: no ${label} block`);
  return blocks;
}

/** Certificates as PEM text, or as one DER certificate. */
export function parseCertificates(bytes: Uint8Array): Uint8Array[] {
  return bytes[0] === 0x30 ? [bytes] : parsePem(bytes);
}

/** One certificate as PEM text. */
export function writePem(der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
