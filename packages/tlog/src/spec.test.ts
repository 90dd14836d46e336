// SPDX-License-Identifier: Apache-2.0
// The examples in spec/ledger.md are real: they verify, and are what this package writes.
import { readFileSync } from 'node:fs';
import { ed25519Signer, nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import {
  cosign,
  formatNote,
  parseCheckpoint,
  parseFreshness,
  parseNote,
  signFreshness,
  verifyCheckpoint,
  verifyFreshness,
} from './index.ts';

const spec = readFileSync(new URL('../../../spec/ledger.md', import.meta.url), 'utf8');
const notes = [...spec.matchAll(/```\n((?:cloister)[^`]*\n\u2014 [^`]*)```/g)].map(
  (m) => m[1] ?? '',
);
const signer = ed25519Signer(new Uint8Array(32).fill(1));
const name = 'witness.example/w0';
const by = { name, signer, timeSeconds: 1_700_000_000 };
const one = { witnesses: [{ name, key: signer.key }], quorum: 1, required: [name] };
const genesis = new Uint8Array(32).fill(0x3b);

describe('spec/ledger.md', () => {
  it('shows two notes', () => {
    expect(notes.length).toBe(2);
  });

  it('shows a checkpoint as it is', async () => {
    const note = notes[0] as string;
    const checkpoint = parseCheckpoint(parseNote(note).text);
    const line = await cosign(nodeCrypto, by, checkpoint);
    expect(note).toBe(formatNote(parseNote(note).text, [line]));
    const expected = { ...one, origin: checkpoint.origin };
    expect((await verifyCheckpoint(nodeCrypto, note, expected)).size).toBe(4711);
  });

  it('shows a freshness note as it is', async () => {
    const note = notes[1] as string;
    const { text } = parseNote(note);
    const line = await signFreshness(nodeCrypto, by, parseFreshness(text));
    expect(note).toBe(formatNote(text, [line]));
    const challenge = new Uint8Array(32).fill(5);
    const expected = { ...one, genesis, challenge };
    expect((await verifyFreshness(nodeCrypto, note, expected)).size).toBe(4711);
  });
});
