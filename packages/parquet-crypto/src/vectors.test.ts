// SPDX-License-Identifier: Apache-2.0
// The encrypted files of apache/parquet-testing, written by Arrow C++ and parquet-java: every mode,
// 128 and 256 bits, read whole and compared with what their generators say is in them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { utf8 } from '@cloister/core';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import {
  BufferSink,
  bufferSource,
  decryptProjection,
  inspectParquet,
  type KeyProvider,
  masterKeys,
  namedKeys,
} from './index.ts';

const ROOT = fileURLToPath(new URL('../../../../shared/vectors/parquet/', import.meta.url));
const hasShared = existsSync(ROOT);

/** The generators' keys are ASCII digits. */
const KEYS_128 = new Map([
  ['kf', utf8('0123456789012345')],
  ['kc1', utf8('1234567890123450')],
  ['kc2', utf8('1234567890123451')],
]);
const KEYS_256 = new Map([
  ['kf', utf8('01234567890123456789012345678901')],
  ...[1, 2, 3, 4, 5, 6, 7, 8].map(
    (i) => [`kc${i}`, utf8(`123456789012345678901234567890${11 + i}`)] as const,
  ),
]);

function providerOf(folder: string, name: string): KeyProvider {
  const keys = folder === '' ? KEYS_128 : KEYS_256;
  if (!name.startsWith('external')) return namedKeys(keys);
  const material: Record<string, string> = JSON.parse(
    readFileSync(`${ROOT}_KEY_MATERIAL_FOR_${name}.json`, 'utf8'),
  );
  return masterKeys(keys, { externalMaterial: new Map(Object.entries(material)) });
}

const FILES = !hasShared
  ? []
  : ['', 'aes256/'].flatMap((folder) =>
      readdirSync(ROOT + folder)
        .filter((name) => name.endsWith('.parquet.encrypted'))
        .map((name) => ({ folder, name })),
    );

async function readAll(folder: string, name: string, aadPrefix?: Uint8Array) {
  const source = bufferSource(new Uint8Array(readFileSync(ROOT + folder + name)));
  const keys = providerOf(folder, name);
  const sink = new BufferSink();
  const prefix = aadPrefix === undefined ? {} : { aadPrefix };
  const { columns } = await inspectParquet(source, { keys, ...prefix });
  const report = await decryptProjection({
    source,
    sink,
    keys,
    columns: columns.map((c) => c.path),
    allowClearColumns: true,
    ...prefix,
  });
  return { report, rows: await parquetReadObjects({ file: sink.bytes().buffer }) };
}

function expectedRow(i: number): Record<string, unknown> {
  return {
    boolean_field: i % 2 === 0,
    int32_field: i,
    int64_field: [BigInt(2 * i) * 10n ** 12n, BigInt(2 * i + 1) * 10n ** 12n],
    float_field: Math.fround(i * Math.fround(1.1)),
    double_field: i * 1.1111111,
    ba_field: i % 2 === 0 ? `parquet${String(i).padStart(3, '0')}` : null,
    flba_field: new Uint8Array(10).fill(i),
  };
}

function expectRows(name: string, rows: readonly Record<string, unknown>[]): void {
  if (name.startsWith('external')) {
    const letters = 'abcdefghij';
    expect(rows).toEqual(
      Array.from({ length: 100 }, (_, i) => ({ integers: i, strings: `${letters[i % 10]}${i}` })),
    );
  } else if (name.includes('bloom')) {
    expect(rows).toEqual(
      Array.from({ length: 2000 }, (_, i) => ({
        double_field: i + 0.5,
        float_field: i + 0.25,
        int32_field: i,
        name: `name_${i}`,
      })),
    );
  } else {
    expect(rows).toHaveLength(50);
    rows.forEach((row, i) => {
      const { int96_field: _, ...others } = row;
      expect(others).toEqual(expectedRow(i));
    });
  }
}

describe.skipIf(!hasShared)('files of apache/parquet-testing [skip: shared]', () => {
  test('all of them are here', () => expect(FILES.length).toBe(13));

  test.each(FILES)('$folder$name', async ({ folder, name }) => {
    const needsPrefix = name.includes('disable_aad');
    if (needsPrefix) {
      await expect(readAll(folder, name)).rejects.toMatchObject({ code: 'aad-prefix-absent' });
      await expect(readAll(folder, name, utf8('other'))).rejects.toMatchObject({
        code: 'tag-invalid',
      });
    }
    const { report, rows } = await readAll(folder, name, needsPrefix ? utf8('tester') : undefined);
    expectRows(name, rows);
    expect(report.algorithm).toBe(name.includes('ctr') ? 'AES_GCM_CTR_V1' : 'AES_GCM_V1');
  });
});
