// SPDX-License-Identifier: Apache-2.0
// What is read from bytes is what the same text says: numbers to the last bit, days and times by
// other code, texts by the engine's own hash.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk } from '../../../testing/ingest.ts';
import { micros } from '../compare/value-form.ts';
import { isDate } from '../times.ts';
import { OTHER, readBoolean, readDate, readNumber, readTime, readWhole } from './cells.ts';
import { readLongNumber } from './long-numbers.ts';
import { hashInto } from './text-hash.ts';

const values = new Float64Array(2);
const words = new Int32Array(values.buffer);
type Reader = (
  into: Float64Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => number;

/** Reads a text that lies among others; the value at 1, and the shape. */
function read(reader: Reader, text: string): { shape: number; value: number } {
  const bytes = Buffer.from(`7${text}7`);
  const shape = reader(values, 1, bytes, 1, bytes.length - 1);
  return { shape, value: values[1] as number };
}

describe('numbers', () => {
  const doubles = [
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.double({ noNaN: true, min: -1_000, max: 1_000 }),
    fc.double({ noNaN: true, min: 0, max: 1e16 }),
    fc.integer({ min: 2, max: 1_000_000 }).map(Math.sqrt),
  ].map((one) => one.map(String));
  const digits = fc.stringMatching(/^-?[0-9]{1,12}(\.[0-9]{1,12})?$/);

  it('are those of Number, and of none is its text lost', () => {
    let [quick, long] = [0, 0];
    const check = (text: string) => {
      const one = read(readNumber, text);
      const other = read(readLongNumber, text);
      if (one.shape >= 0) {
        quick++;
        expect(one.value, text).toBe(Number(text));
        const shortest = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
        if (!String(one.value).includes('e')) expect(String(one.value)).toBe(shortest);
      }
      if (other.shape >= 0) {
        long++;
        expect(other.value, text).toBe(Number(text));
        expect(String(other.value)).toBe(text);
        if (one.shape >= 0) expect(other.shape).toBe(one.shape);
      }
    };
    fc.assert(fc.property(fc.oneof(...doubles, digits), check), { numRuns: 20_000 });
    expect(Math.min(quick, long)).toBeGreaterThan(1_000);
  });

  it.each([
    '',
    '-',
    '.',
    '-.5',
    '1.',
    '01',
    '-0',
    '-0.0',
    '+1',
    '1e5',
    '1,5',
    ' 1',
    '1 ',
    'x',
    '.1234567890123457',
    '01.234567890123457',
  ])('%j is left to others', (text) => {
    expect(read(readNumber, text).shape).toBe(OTHER);
    expect(read(readLongNumber, text).shape).toBe(OTHER);
  });

  it('whole ones of up to 18 digits are exact', () => {
    const most = 10n ** 18n - 1n;
    fc.assert(
      fc.property(fc.bigInt({ min: -most, max: most }), (number) => {
        const bytes = Buffer.from(`7${number}7`);
        expect(readWhole(words, 2, bytes, 1, bytes.length - 1)).toBe(true);
        expect(new BigInt64Array(words.buffer)[1]).toBe(number);
      }),
      { numRuns: 5_000 },
    );
    const long = Buffer.from('1234567890123456789');
    expect(readWhole(words, 0, long, 0, long.length)).toBe(false);
  });
});

describe('days and times', () => {
  it('every day of nine centuries, and what is none', () => {
    for (let day = Date.UTC(1600, 0, 1); day < Date.UTC(2500, 0, 1); day += 86_400_000) {
      const text = new Date(day).toISOString().slice(0, 10);
      const { shape, value } = read(readDate, text);
      if (shape === OTHER || value !== day / 86_400_000) throw new Error(text);
    }
    const any = fc.stringMatching(/^[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]$/);
    fc.assert(
      fc.property(any, (text) => (read(readDate, text).shape !== OTHER) === isDate(text)),
      { numRuns: 5_000 },
    );
  });

  it('times are those that another reader reads', () => {
    const day = '^(19|20)\\d\\d-(0\\d|1[0-2])-[0-2]\\d';
    const clock = '[T ][0-2]\\d:[0-5]\\d(:[0-5]\\d(\\.\\d{1,7})?)?';
    const form = new RegExp(`${day}${clock}(Z|\\+00|\\+00:00|-01)?$`);
    let read_ = 0;
    fc.assert(
      fc.property(fc.stringMatching(form), (text) => {
        const { shape, value } = read(readTime, text);
        if (shape === OTHER) return;
        read_++;
        expect(value).toBe(micros(text, /[Z+]/.test(text)));
      }),
      { numRuns: 5_000 },
    );
    expect(read_).toBeGreaterThan(1_000);
  });

  it.each(['true', 'TRUE', 'True'])('%s is true', (text) => {
    expect(read(readBoolean, text).value).toBe(1);
    expect(read(readBoolean, text.replace(/^t.*/, 'tRUE')).shape).toBe(
      text === 'true' ? OTHER : read(readBoolean, text).shape,
    );
  });
});

describe('texts', () => {
  let desk: Desk;
  beforeAll(async () => {
    desk = await Desk.open();
  });
  afterAll(() => desk.close());

  it('have the hash that the engine gives them', async () => {
    const lengths = Array.from({ length: 70 }, (_, i) =>
      'abcdefghijklmnopq~'.repeat(5).slice(0, i),
    );
    const others = fc.sample(fc.string({ unit: 'grapheme', maxLength: 60 }), 400);
    const texts = [...lengths, ...others.filter((text) => !text.includes('\0'))];
    const list = texts.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ');
    const rows = await desk.query(`SELECT CAST(hash(unnest([${list}]::VARCHAR[])) AS VARCHAR)`);
    const hashes = texts.map((text) => {
      const bytes = Buffer.from(`<${text}>`);
      hashInto(words, 2, bytes, 1, bytes.length - 1);
      return [String(new BigUint64Array(words.buffer)[1])];
    });
    expect(hashes).toEqual(rows);
  });
});
