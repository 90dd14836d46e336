// SPDX-License-Identifier: Apache-2.0
// Values as text, by the type of their column: SQL over a column, for CSV and for JSON. No digit is
// lost in any parser: numbers that a double may not hold are texts in JSON (as in the JSON of
// protocol buffers), and so are numbers that are not finite. spec/result-files.md has the table.
// @ts-check

/** Types whose every value is a JSON number that a double holds, or a JSON boolean. */
const PLAIN = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
]);
const REAL = new Set(['FLOAT', 'DOUBLE']);
/** Their ranges go beyond four digits of years, and they have two values that are no time. */
const WIDE_TIMES = new Set([
  'TIMESTAMP',
  'TIMESTAMP_S',
  'TIMESTAMP_MS',
  'TIMESTAMP WITH TIME ZONE',
]);

const cast = (/** @type {string} */ c) => `CAST(${c} AS VARCHAR)`;

/** `form`, where a value is finite. @param {string} c @param {string} zero @param {string} form */
function finite(c, zero, form) {
  const sign = `CASE WHEN ${c} > ${zero} THEN 'Infinity' ELSE '-Infinity' END`;
  return `CASE WHEN ${c} IS NULL THEN NULL WHEN isfinite(${c}) THEN ${form} ELSE ${sign} END`;
}

/** A day of ISO 8601; years beyond four digits have a sign and at least six. @param {string} d */
function day(d) {
  const digits = `CAST(abs(year(${d})) AS VARCHAR)`;
  const long = `CASE WHEN abs(year(${d})) > 999999 THEN ${digits} ELSE lpad(${digits}, 6, '0') END`;
  const signed = `CASE WHEN year(${d}) < 0 THEN '-' ELSE '+' END || ${long}`;
  const short = `lpad(${digits}, 4, '0')`;
  const year = `CASE WHEN year(${d}) BETWEEN 0 AND 9999 THEN ${short} ELSE ${signed} END`;
  return `${year} || strftime(${d}, '-%m-%d')`;
}

/** A day and a time of ISO 8601, `Z` for an instant. @param {string} c @param {string} type */
function time(c, type) {
  const zoned = type === 'TIMESTAMP WITH TIME ZONE';
  const t = zoned ? `make_timestamp(epoch_us(${c}))` : `CAST(${c} AS TIMESTAMP)`;
  const clock = `CAST(CAST(${t} AS TIME) AS VARCHAR)`;
  return `${day(`CAST(${t} AS DATE)`)} || 'T' || ${clock}${zoned ? ` || 'Z'` : ''}`;
}

/** The engine leaves out a zero before the point. @param {string} c @param {string} type */
function decimal(c, type) {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  return precision === scale ? `regexp_replace(${cast(c)}, '^(-?)[.]', '\\1' || '0.')` : cast(c);
}

/** A column as texts, NULL where it is NULL. @param {string} c @param {string} type */
export function textForm(c, type) {
  if (type === 'VARCHAR') return c;
  if (type === 'BLOB') return `to_base64(${c})`;
  if (REAL.has(type)) {
    return `CASE WHEN isnan(${c}) THEN 'NaN' ELSE ${finite(c, '0', cast(c))} END`;
  }
  if (type === 'DATE') return finite(c, "DATE '1970-01-01'", day(c));
  if (type.startsWith('DECIMAL')) return decimal(c, type);
  if (WIDE_TIMES.has(type)) return finite(c, "TIMESTAMP '1970-01-01'", time(c, type));
  if (type === 'TIMESTAMP_NS') {
    return finite(c, "TIMESTAMP '1970-01-01'", `replace(${cast(c)}, ' ', 'T')`);
  }
  return cast(c);
}

/** A column as JSON writes it. @param {string} c @param {string} type */
export function jsonForm(c, type) {
  if (PLAIN.has(type)) return c;
  if (!REAL.has(type)) return textForm(c, type);
  const words = `to_json(${textForm(c, type)})`;
  const number = `WHEN isfinite(${c}) THEN to_json(${c})`;
  return `CASE WHEN ${c} IS NULL THEN NULL ${number} ELSE ${words} END`;
}
