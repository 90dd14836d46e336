// SPDX-License-Identifier: Apache-2.0
// What an owner says of how a file is written, checked before a byte is read by it: what cannot be
// meant is refused, and so is what says nothing of the file's format.
import { dialectOption } from '@cloister/api';
import type { IngestFormat } from '../detect.ts';
import { ingestError } from '../errors.ts';
import { compileDateFormat } from './date-format.ts';
import type { Dialect, Said } from './dialect.ts';
import { isZone } from './zones.ts';

/** Which options say something of a file of each format. */
const PARTS: Readonly<Record<IngestFormat, readonly (keyof Said)[]>> = {
  csv: [
    'delimiter',
    'quote',
    'header',
    'null',
    'encoding',
    'decimal',
    'thousands',
    'dateFormat',
    'zone',
  ],
  jsonl: ['encoding', 'dateFormat', 'zone'],
  parquet: [],
};
const FORMAT_NAMES = { csv: 'CSV', jsonl: 'JSON lines', parquet: 'Parquet' } as const;
const THOUSANDS = /^[.,'_ \u00a0\u2019\u202f]$/;

/** What a file was read by, as its owner would say it; a decimal mark that is unclear is not. */
export function saidOf(dialect: Dialect, format: IngestFormat): Said {
  const parts = PARTS[format].filter((part) => part !== 'decimal' || dialect.decimal !== null);
  return Object.fromEntries(parts.map((part) => [part, dialect[part]]));
}

/**
 * Refuses what cannot be meant, whatever the file holds.
 * @throws CodedError `dialect-malformed`, naming the option
 */
export function checkSaid(said: Said, format: IngestFormat): void {
  for (const part of Object.keys(said) as (keyof Said)[]) {
    if (said[part] === undefined || PARTS[format].includes(part)) continue;
    throw malformed(part, `says nothing of ${FORMAT_NAMES[format]}: leave it out`);
  }
  const { delimiter, quote, decimal, thousands, zone } = said;
  if (delimiter !== undefined && /[\p{L}\p{N}\p{Cs}\r\n\0"'.+-]/u.test(delimiter)) {
    throw malformed('delimiter', 'wanted no letter, digit, quote, sign, point or line end');
  }
  if (quote != null && (/[\p{L}\p{N}\p{Cs}\r\n\0]/u.test(quote) || quote === delimiter)) {
    throw malformed('quote', 'wanted no letter, digit or line end, and not the delimiter');
  }
  const bare = `${delimiter ?? ''}${quote ?? ''}\r\n\0`;
  if (said.null?.some((text) => [...bare].some((char) => text.includes(char)))) {
    throw malformed('null', 'wanted no delimiter, quote or line end in it');
  }
  if (thousands != null && !THOUSANDS.test(thousands)) {
    throw malformed('thousands', 'wanted a point, a comma, an apostrophe, a space or "_"');
  }
  if (thousands != null && (thousands === delimiter ? quote === null : thousands === decimal)) {
    throw malformed('thousands', 'is the decimal mark, or the delimiter, as well');
  }
  for (const one of said.dateFormat ?? []) compileDateFormat(one);
  if (zone != null && !isZone(zone)) {
    throw malformed('zone', `wanted UTC, +02:00 or a name like Europe/Berlin, got ${zone}`);
  }
}

function malformed(part: keyof Said, what: string): Error {
  return ingestError('dialect-malformed', `${dialectOption(part)} ${what}`);
}
