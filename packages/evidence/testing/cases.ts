// SPDX-License-Identifier: Apache-2.0
// For tests: the shared cases and how to read their files.
import { existsSync, readFileSync } from 'node:fs';
import { fromHex, isCoded } from '@cloister/core';

export const SHARED = new URL('../../../../shared/vectors/', import.meta.url);
export const hasShared = existsSync(new URL('cases.json', SHARED));

export interface Case {
  readonly id: string;
  readonly kind: string;
  readonly evidence: string;
  readonly expect: string;
  readonly because?: string;
  readonly from?: string;
  readonly at?: string;
  readonly flag?: string;
  readonly peerStatus?: string;
  readonly collateralBundle?: string;
  readonly collateral?: { leaf: string; ask: string; ark: string };
  readonly claims?: { [name: string]: unknown };
  readonly tcb?: {
    readonly platform?: string | null;
    readonly qe_tcb: string;
    readonly tdx_module?: string;
    readonly advisories: string[];
  };
}

export const cases: Case[] = hasShared ? JSON.parse(text('cases.json')).cases : [];

export function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, SHARED)));
}

export function text(path: string): string {
  return readFileSync(new URL(path, SHARED), 'utf8');
}

/** Files are raw, hexadecimal (one a line), or JSON that holds a quote in hexadecimal. */
export function quoteBytes(path: string, tee: unknown): Uint8Array {
  const bytes = read(path);
  const hex =
    bytes[0] === 0x7b
      ? /"quote": ?"([0-9a-f]+)"|"attestation": ?"[0-9a-f]*?(0400020081000000[0-9a-f]+)"/
          .exec(text(path))
          ?.slice(1)
          .find((found) => found !== undefined)
      : /^(?:0x)?[0-9a-fA-F\s]{40}/.test(new TextDecoder('latin1').decode(bytes.subarray(0, 60)))
        ? text(path)
        : undefined;
  if (hex === undefined) return bytes;
  const quotes = hex
    .trim()
    .split(/\s+/)
    .map((line) => fromHex(line.replace(/^0x/, '')));
  const wanted = tee === 'TDX' ? 0x81 : 0;
  return trimmed(quotes.find((quote) => quote[4] === wanted) ?? (quotes[0] as Uint8Array));
}

/** What follows a TDX quote inside another encoding is not its padding. */
function trimmed(quote: Uint8Array): Uint8Array {
  const view = new DataView(quote.buffer, quote.byteOffset, quote.byteLength);
  if (view.getUint16(0, true) !== 4) return quote;
  return quote.subarray(0, 636 + view.getUint32(632, true));
}

/** `verified`, or the code of the refusal; anything else that is thrown goes on. */
export async function codeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return 'verified';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

/** Which TEE a case with collateral is about. */
export function teeOf(c: Case): 'SGX' | 'TDX' {
  return c.tcb !== undefined && c.tcb.tdx_module === undefined ? 'SGX' : 'TDX';
}
