// SPDX-License-Identifier: Apache-2.0
// A recipient's side: Parquet files that somebody else may have made are looked at and converted,
// in a locked-down process (database.mjs). Columns are named by position, so that no name in the
// file means anything here; the names that are written are those of the request.
// @ts-check
import { name, one, open, opened, parquetRows, serve, text } from './database.mjs';
import { jsonForm, textForm } from './text-forms.mjs';

/** @typedef {{ name: string, type: string }} Column */

/** Into the file that is there: nothing can be made beside it. */
const PLACE = 'USE_TMP_FILE false';

/** The files' rows, columns `c0`, `c1`, ... @param {string[]} files @param {number} width */
function rowsOf(files, width) {
  const names = Array.from({ length: width }, (_, at) => `c${at}`);
  return `${parquetRows(files)} AS t(${names.join(', ')})`;
}

/** @param {Column[]} columns @param {(column: string, type: string) => string} form */
function select(columns, form) {
  return columns.map((c, at) => `${form(`c${at}`, c.type)} AS ${name(c.name)}`).join(', ');
}

/**
 * How CSV tells NULL from a text; no line is empty, as readers skip it.
 * @param {Column[]} columns
 */
function absence([first, ...more]) {
  if (more.length > 0) return "NULLSTR ''";
  const texts = first?.type === 'VARCHAR' || first?.type === 'BLOB';
  return `NULLSTR 'NULL'${texts ? ', FORCE_QUOTE *' : ''}`;
}

/** As it is: each file says its own types. @param {string} column @param {string} type */
const plain = (column, type) => `CAST(${column} AS ${type})`;

const operations = {
  /**
   * Types by position, rows, and NULLs by position; every value is read.
   * @param {any} request
   */
  async look({ files, ...settings }) {
    await open(settings);
    const described = await opened().runAndReadAll(`DESCRIBE FROM ${parquetRows(files)}`);
    const types = described.getRows().map(([, type]) => String(type));
    // What a column holds is read for its smallest hash: a count alone would skip the values.
    const read = types.map((_, at) => `count(c${at}), min(hash(c${at}))`);
    const counts = `SELECT count(*), ${read.join(', ')} FROM ${rowsOf(files, types.length)}`;
    const [rows, ...seen] = (await opened().runAndReadAll(counts)).getRows()[0] ?? [];
    const nulls = types.map((_, at) => Number(rows) - Number(seen[2 * at]));
    return { types, rows: Number(rows), nulls };
  },

  /** All rows as one file. @param {any} request */
  async convert({ files, out, format, columns, ...settings }) {
    await open(settings);
    const from = `FROM ${rowsOf(files, columns.length)}`;
    if (format === 'arrow') {
      const { writeArrow } = await import('./arrow.mjs');
      await writeArrow(opened(), { from, columns, out });
      return {};
    }
    if (format === 'csv') {
      const marks = `HEADER, DELIMITER ',', QUOTE '"', ESCAPE '"', ${absence(columns)}`;
      const how = `FORMAT csv, ${marks}, ${PLACE}`;
      await one(`COPY (SELECT ${select(columns, textForm)} ${from}) TO ${text(out)} (${how})`);
      return {};
    }
    if (format === 'parquet') {
      const how = `FORMAT parquet, COMPRESSION snappy, ${PLACE}`;
      await one(`COPY (SELECT ${select(columns, plain)} ${from}) TO ${text(out)} (${how})`);
      return {};
    }
    const how = `FORMAT json, ARRAY ${format === 'json'}, ${PLACE}`;
    await one(`COPY (SELECT ${select(columns, jsonForm)} ${from}) TO ${text(out)} (${how})`);
    return {};
  },
};

serve(operations, new Set(['look', 'convert']));
