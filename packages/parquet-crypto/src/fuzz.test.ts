// SPDX-License-Identifier: Apache-2.0
// A fuzz target with a fixed count and seed: random damage to plain and encrypted files, and to the
// thrift inside a footer, gives a CodedError or a result, never another error and never a hang.
// CLOISTER_FUZZ_RUNS multiplies the count.
import { isCoded } from '@cloister/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { holding, seal, unseal } from '../testing/files.ts';
import { mintParquet, withFooter } from '../testing/mint.ts';
import { joinBytes } from './bytes.ts';
import { chunksOf, DataKeys, openColumn } from './columns.ts';
import { footerTail } from './encrypted-metadata.ts';
import { openParquet } from './footer.ts';
import { CHUNK, GROUP } from './format.ts';
import { assertFullyEncrypted, bufferSource, inspectParquet } from './index.ts';
import { MODULE, moduleLength, openGcm, sealGcm } from './modules.ts';
import { TYPE } from './thrift/compact.ts';
import {
  binary,
  bool,
  type Edits,
  encodeStruct,
  i16,
  i32,
  i64,
  list,
  parseStructPrefix,
  struct,
  type ThriftStruct,
} from './thrift/struct.ts';

const RUNS = 1000 * Number(process.env['CLOISTER_FUZZ_RUNS'] ?? 1);
const PARAMETERS = { numRuns: RUNS, seed: 20_261_123 };

interface Damage {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly kind: 'overwrite' | 'insert' | 'remove';
}

const damages = fc.array(
  fc.record<Damage>({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }),
    kind: fc.constantFrom('overwrite', 'overwrite', 'insert', 'remove'),
  }),
  { minLength: 1, maxLength: 3 },
);

function damaged(bytes: Uint8Array, all: readonly Damage[]): Uint8Array {
  let out = Array.from(bytes);
  for (const damage of all) {
    const at = Math.floor(damage.at * out.length);
    const removed = damage.kind === 'insert' ? 0 : damage.bytes.length;
    const added = damage.kind === 'remove' ? [] : damage.bytes;
    out = [...out.slice(0, at), ...added, ...out.slice(at + removed)];
  }
  return Uint8Array.from(out);
}

function withSealedFooter(body: Uint8Array, crypto: Uint8Array, sealed: Uint8Array[]): Uint8Array {
  const module = joinBytes(sealed);
  const tail = footerTail(crypto.length + module.length, 'PARE');
  return joinBytes([body, crypto, module, tail]);
}

function overwritten(bytes: Uint8Array, at: number, parts: readonly Uint8Array[]): Uint8Array {
  const out = Uint8Array.from(bytes);
  out.set(joinBytes(parts), at);
  return out;
}

async function codedOrFine(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isCoded(error)) throw error;
    // The codes of this package, none of core's.
    const ours = /^(parquet|thrift|key|tag|aad|column|bytes|algorithm|source|levels)-/;
    expect(error.code).toMatch(ours);
  }
}

describe('damage', () => {
  const plain = mintParquet({ columns: 2, pages: 2, valuesPerPage: 3, offsetIndex: true });
  let sealed: Uint8Array;
  let signed: Uint8Array;
  beforeAll(async () => {
    sealed = await seal(plain, { columnKeys: 'footer-key' });
    signed = await seal(plain, { footer: 'plaintext' });
  });

  test('to a plain file', async () => {
    const property = fc.asyncProperty(damages, async (all) => {
      await codedOrFine(() => seal(damaged(plain, all), { columnKeys: 'footer-key' }));
    });
    await fc.assert(property, PARAMETERS);
  });

  test('to an encrypted file, and to one with a signed footer', async () => {
    const property = fc.asyncProperty(damages, fc.boolean(), async (all, encrypted) => {
      const bytes = damaged(encrypted ? sealed : signed, all);
      await codedOrFine(() => unseal(bytes, ['c0', 'c1']));
      await codedOrFine(() => inspectParquet(bufferSource(bytes)));
    });
    await fc.assert(property, PARAMETERS);
  });

  test('to a footer or a page header, by one who holds the key and seals it again', async () => {
    const file = await openParquet({ source: bufferSource(sealed), keys: holding() });
    const { unlocked, footerStart } = file;
    if (unlocked === undefined) throw new Error('assertion failed: the footer is open');
    const { footerKey, aad } = unlocked;
    const rest = sealed.subarray(footerStart, -8);
    const crypto = rest.subarray(0, parseStructPrefix('FileCryptoMetaData', rest).end);
    const [chunk] = chunksOf(file, 0);
    const [leaf] = file.schema.leaves;
    if (chunk === undefined || leaf === undefined) throw new Error('assertion failed: a chunk');
    const { start } = await openColumn(file, new DataKeys(undefined), { rowGroup: 0, chunk, leaf });
    const headAt = sealed.subarray(start);
    const head = headAt.subarray(0, moduleLength(headAt));
    const headAad = aad.page(MODULE.dataPageHeader, 0, 0, 0);
    const header = joinBytes(openGcm(footerKey, headAad, head, () => 'a header'));
    const property = fc.asyncProperty(damages, fc.boolean(), async (all, footer) => {
      const bytes = footer
        ? withSealedFooter(
            sealed.subarray(0, footerStart),
            crypto,
            sealGcm(footerKey, aad.footer(), damaged(file.metadata.edit({}), all)),
          )
        : overwritten(
            sealed,
            start,
            sealGcm(footerKey, headAad, damaged(header, all).subarray(0, header.length)),
          );
      await codedOrFine(() => unseal(bytes, ['c0', 'c1']));
      await codedOrFine(() => assertFullyEncrypted(bufferSource(bytes), holding()));
      await codedOrFine(() => inspectParquet(bufferSource(bytes), { keys: holding() }));
    });
    await fc.assert(property, PARAMETERS);
  });

  test('bytes that are no footer at all', async () => {
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (footer) => {
      const bytes = withFooter(new Uint8Array([80, 65, 82, 49]), footer);
      await codedOrFine(() => inspectParquet(bufferSource(bytes), { keys: holding() }));
    });
    await fc.assert(property, PARAMETERS);
  });
});

const values = fc.letrec<{ struct: Edits; value: Edits[number] }>((tie) => ({
  struct: fc.dictionary(fc.integer({ min: 1, max: 300 }).map(String), tie('value'), {
    maxKeys: 6,
    depthIdentifier: 'thrift',
  }) as fc.Arbitrary<Edits>,
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'thrift' },
    fc.boolean().map(bool),
    fc.integer({ min: -0x8000, max: 0x7fff }).map(i16),
    fc.integer().map(i32),
    fc.maxSafeInteger().map((n) => i64(Math.trunc(n / 4))),
    fc.uint8Array({ maxLength: 20 }).map(binary),
    fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 20 }).map((items) =>
      list(
        TYPE.binary,
        items.map((item) => binary(item).value),
      ),
    ),
    tie('struct').map((edits) => struct(encodeStruct(edits))),
  ),
}));

describe('thrift', () => {
  test('fields that are out of order are edited in place and come out in order', () => {
    // Fields 5, 2 and -1, integers of 1, 2 and 3.
    const bytes = Uint8Array.of(0x55, 2, 0x05, 4, 4, 0x05, 1, 6, 0);
    const edited = parseStructPrefix('', bytes).struct.edit({
      2: undefined,
      3: i32(9),
      5: i32(8),
      7: i32(7),
    });
    expect(edited).toEqual(Uint8Array.of(0x05, 1, 6, 0x45, 18, 0x25, 16, 0x25, 14, 0));
  });

  test('editing nothing changes nothing', () => {
    fc.assert(
      fc.property(values.struct, (edits) => {
        const bytes = encodeStruct(edits);
        const { struct: parsed, end } = parseStructPrefix('anything', bytes);
        expect(end).toBe(bytes.length);
        expect(parsed.edit({})).toEqual(bytes);
      }),
      PARAMETERS,
    );
  });

  test('fields that nobody knows survive encryption and decryption', async () => {
    await fc.assert(
      fc.asyncProperty(values.struct, async (edits) => {
        const unknown = struct(encodeStruct(edits));
        const [chunk, metadata, group] = [{ 77: unknown }, { 78: unknown }, { 79: unknown }];
        const file = { 80: unknown };
        const plain = mintParquet({ chunk, metadata, group, file });
        const back = await unseal(await seal(plain, { columnKeys: 'footer-key' }), ['c0']);
        const { metadata: footer, rowGroups } = await openParquet({ source: bufferSource(back) });
        const raw = (of: ThriftStruct | undefined, id: number) =>
          of?.fields.find((field) => field.id === id)?.value;
        const [column] = rowGroups[0]?.structs(GROUP.columns, 'ColumnChunk', 1) ?? [];
        expect(raw(footer, 80)).toEqual(unknown.value);
        expect(raw(rowGroups[0], 79)).toEqual(unknown.value);
        expect(raw(column, 77)).toEqual(unknown.value);
        expect(raw(column?.struct(CHUNK.metadata, 'ColumnMetaData'), 78)).toEqual(unknown.value);
      }),
      { ...PARAMETERS, numRuns: 50 },
    );
  });
});
