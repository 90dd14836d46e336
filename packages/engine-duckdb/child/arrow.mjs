// SPDX-License-Identifier: Apache-2.0
// Rows as an Arrow IPC file (Arrow Columnar Format, "IPC File Format"): a record batch for each
// chunk that the engine gives, so that memory holds one of them. Values go over as the numbers that
// they are; none is printed and read again. spec/result-files.md has the table of types.
// @ts-check
import { open } from 'node:fs/promises';
import * as arrow from 'apache-arrow';

/** @typedef {{ name: string, type: string }} Column */
/** @typedef {(view: DataView, at: number, value: any) => void} Put */
/** @typedef {(column: string) => string} Ask */
/** @typedef {{ type: arrow.DataType, width: number, put: Put, ask?: Ask }} Fixed */
/** @typedef {(values: any[]) => arrow.Data} ToData */

/** How a value of a fixed width lies in Arrow, little-endian. @type {Record<string, Fixed>} */
const FIXED = {
  TINYINT: fixed(new arrow.Int8(), 1, (view, at, v) => view.setInt8(at, v)),
  SMALLINT: fixed(new arrow.Int16(), 2, (view, at, v) => view.setInt16(at, v, true)),
  INTEGER: fixed(new arrow.Int32(), 4, (view, at, v) => view.setInt32(at, v, true)),
  BIGINT: fixed(
    new arrow.Int64(),
    8,
    long((v) => v),
  ),
  UTINYINT: fixed(new arrow.Uint8(), 1, (view, at, v) => view.setUint8(at, v)),
  USMALLINT: fixed(new arrow.Uint16(), 2, (view, at, v) => view.setUint16(at, v, true)),
  UINTEGER: fixed(new arrow.Uint32(), 4, (view, at, v) => view.setUint32(at, v, true)),
  UBIGINT: fixed(new arrow.Uint64(), 8, (view, at, v) => view.setBigUint64(at, v, true)),
  FLOAT: fixed(new arrow.Float32(), 4, (view, at, v) => view.setFloat32(at, v, true)),
  DOUBLE: fixed(new arrow.Float64(), 8, (view, at, v) => view.setFloat64(at, v, true)),
  UUID: {
    ...fixed(new arrow.FixedSizeBinary(16), 16, putBytes),
    ask: (c) => `CAST(${c} AS BLOB)`,
  },
  DATE: fixed(new arrow.DateDay(), 4, (view, at, v) => view.setInt32(at, v.days, true)),
  TIME: fixed(
    new arrow.TimeMicrosecond(),
    8,
    long((v) => v.micros),
  ),
  TIME_NS: fixed(
    new arrow.TimeNanosecond(),
    8,
    long((v) => v.nanos),
  ),
  TIMESTAMP: fixed(
    new arrow.TimestampMicrosecond(),
    8,
    long((v) => v.micros),
  ),
  TIMESTAMP_S: fixed(
    new arrow.TimestampSecond(),
    8,
    long((v) => ofMicros(v.micros, 1_000_000n)),
  ),
  TIMESTAMP_MS: fixed(
    new arrow.TimestampMillisecond(),
    8,
    long((v) => ofMicros(v.micros, 1_000n)),
  ),
  TIMESTAMP_NS: fixed(
    new arrow.TimestampNanosecond(),
    8,
    long((v) => v.nanos),
  ),
  'TIMESTAMP WITH TIME ZONE': fixed(
    new arrow.TimestampMicrosecond('UTC'),
    8,
    long((v) => v.micros),
  ),
};

/** @param {arrow.DataType} type @param {number} width @param {Put} put @returns {Fixed} */
function fixed(type, width, put) {
  return { type, width, put };
}

/** @param {(value: any) => bigint} integer @returns {Put} */
function long(integer) {
  return (view, at, value) => view.setBigInt64(at, integer(value), true);
}

const FOREVER = 2n ** 63n - 1n;

/**
 * Microseconds in a coarser unit; what is no time stays the extreme.
 * @param {bigint} micros
 * @param {bigint} unit
 */
function ofMicros(micros, unit) {
  if (micros === FOREVER || micros === -FOREVER) return micros;
  if (micros % unit !== 0n) throw new Error('finer than the unit of its column');
  return micros / unit;
}

/** @param {DataView} view @param {number} at @param {{ bytes: Uint8Array }} value */
function putBytes(view, at, { bytes }) {
  new Uint8Array(view.buffer, at, bytes.length).set(bytes);
}

/** @param {DataView} view @param {number} at @param {{ value: bigint }} decimal */
function putDecimal(view, at, { value }) {
  view.setBigInt64(at, BigInt.asIntN(64, value), true);
  view.setBigInt64(at + 8, value >> 64n, true);
}

/** @param {string} type @returns {Fixed | undefined} */
function fixedOf(type) {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (precision === undefined) return FIXED[type];
  return fixed(new arrow.Decimal(Number(scale), Number(precision), 128), 16, putDecimal);
}

/** Columns whose values have lengths of their own: both are asked for as bytes. */
const BYTES = {
  VARCHAR: { type: new arrow.Utf8(), ask: (/** @type {string} */ c) => `encode(${c})` },
  BLOB: { type: new arrow.Binary(), ask: (/** @type {string} */ c) => c },
};

/**
 * @param {string} type of the column
 * @returns {{ type: arrow.DataType, ask: Ask, data: ToData }}
 */
function kindOf(type) {
  if (type === 'BOOLEAN') {
    const bool = new arrow.Bool();
    const data = (/** @type {any[]} */ values) => {
      const bits = bitmap(values, (value) => value === true);
      return make(bool, values, { data: bits });
    };
    return { type: bool, ask: (c) => c, data };
  }
  const bytes = Object.hasOwn(BYTES, type) ? BYTES[/** @type {'BLOB'} */ (type)] : undefined;
  if (bytes !== undefined) return { ...bytes, data: (values) => bytesData(bytes.type, values) };
  const known = fixedOf(type);
  if (known === undefined) throw new Error('no type of a column');
  const { type: arrowType, width, put, ask = (c) => c } = known;
  const data = (/** @type {any[]} */ values) => {
    const buffer = new ArrayBuffer(values.length * width);
    const view = new DataView(buffer);
    values.forEach((value, row) => {
      if (value !== null) put(view, row * width, value);
    });
    return make(arrowType, values, { data: new arrowType.ArrayType(buffer) });
  };
  return { type: arrowType, ask, data };
}

/** @param {arrow.DataType} type @param {any[]} values */
function bytesData(type, values) {
  const valueOffsets = new Int32Array(values.length + 1);
  values.forEach((value, row) => {
    valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + (value?.bytes.length ?? 0);
  });
  const data = new Uint8Array(valueOffsets[values.length] ?? 0);
  values.forEach((value, row) => {
    if (value !== null) data.set(value.bytes, valueOffsets[row]);
  });
  return make(type, values, { valueOffsets, data });
}

/** @param {arrow.DataType} type @param {any[]} values @param {object} buffers */
function make(type, values, buffers) {
  const nullCount = values.reduce((sum, value) => sum + (value === null ? 1 : 0), 0);
  const nullBitmap = nullCount === 0 ? undefined : bitmap(values, (value) => value !== null);
  const props = { type, length: values.length, nullCount, nullBitmap, ...buffers };
  return arrow.makeData(/** @type {any} */ (props));
}

/** @param {any[]} values @param {(value: any) => boolean} is */
function bitmap(values, is) {
  const bits = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, row) => {
    if (is(value)) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7));
  });
  return bits;
}

/** A UUID is told from other 16 bytes by its extension type. @param {string} type */
function metadataOf(type) {
  if (type !== 'UUID') return undefined;
  return new Map([
    ['ARROW:extension:name', 'arrow.uuid'],
    ['ARROW:extension:metadata', ''],
  ]);
}

/**
 * Writes the rows of `from`, whose columns are `c0`, `c1`, ..., as an Arrow IPC file.
 * @param {import('@duckdb/node-api').DuckDBConnection} connection
 * @param {{ from: string, columns: Column[], out: string }} request
 */
export async function writeArrow(connection, { from, columns, out }) {
  const kinds = columns.map(({ type }) => kindOf(type));
  const fields = columns.map(({ name, type }, at) => {
    const kind = kinds[at];
    return new arrow.Field(name, kind?.type ?? new arrow.Null(), true, metadataOf(type));
  });
  const schema = new arrow.Schema(fields);
  const asked = kinds.map(({ ask }, at) => `${ask(`c${at}`)} AS c${at}`).join(', ');
  const rows = await connection.stream(`SELECT ${asked} ${from}`);
  async function* batches() {
    for (;;) {
      const chunk = await rows.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      const children = kinds.map(({ data }, at) => data([...chunk.getColumnValues(at)]));
      const struct = { type: new arrow.Struct(fields), length: chunk.rowCount, nullCount: 0 };
      const data = arrow.makeData(/** @type {any} */ ({ ...struct, children }));
      yield new arrow.RecordBatch(schema, data);
    }
  }
  const writer = new arrow.RecordBatchFileWriter();
  const file = await open(out, 'w');
  try {
    writer.reset(undefined, schema);
    const drain = drainOf(writer, file);
    for await (const batch of batches()) {
      writer.write(batch);
      await drain(false);
    }
    writer.finish();
    await drain(true);
  } finally {
    await file.close();
  }
}

/**
 * Writes what the writer has made so far, or all to its end, so that one batch is in memory.
 * @param {arrow.RecordBatchFileWriter} writer
 * @param {import('node:fs/promises').FileHandle} file
 */
function drainOf(writer, file) {
  const bytes = writer[Symbol.asyncIterator]();
  let next = bytes.next();
  return async (/** @type {boolean} */ toTheEnd) => {
    for (;;) {
      // What is there comes before the next turn.
      const turn = new Promise((resolve) => setImmediate(resolve, undefined));
      const got = await (toTheEnd ? next : Promise.race([next, turn]));
      if (got === undefined || got.done) return;
      await file.writeFile(got.value);
      next = bytes.next();
    }
  };
}
