// SPDX-License-Identifier: Apache-2.0
// Evidence as people have it: raw bytes, or the same in hexadecimal or base64 text, with or without
// line breaks. The form is found from the content; a text that is neither is an error.
import { fromBase64, fromHex, isCoded } from '@cloister/core';
import { evidenceError } from './errors.ts';

export type EvidenceForm = 'raw' | 'hex' | 'base64';

/**
 * The evidence in a file.
 * @throws CodedError `evidence-malformed` when it is empty, or text of another sort
 */
export function decodeEvidenceFile(file: Uint8Array): { bytes: Uint8Array; form: EvidenceForm } {
  if (file.length === 0) throw evidenceError('evidence-malformed', 'the file is empty');
  const isText = file.every((b) => (b >= 0x20 && b < 0x7f) || b === 9 || b === 10 || b === 13);
  if (!isText) return { bytes: file, form: 'raw' };
  const text = new TextDecoder('latin1').decode(file).replace(/\s/g, '');
  const hex = text.replace(/^0x/i, '');
  if (hex.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(hex)) {
    return { bytes: fromHex(hex), form: 'hex' };
  }
  const standard = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  try {
    if (standard === '') throw evidenceError('evidence-malformed', 'nothing but padding');
    const padding = '='.repeat((4 - (standard.length % 4)) % 4);
    return { bytes: fromBase64(standard + padding), form: 'base64' };
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    const message = 'the file is text, and neither hexadecimal nor base64';
    throw evidenceError('evidence-malformed', message, { cause });
  }
}
