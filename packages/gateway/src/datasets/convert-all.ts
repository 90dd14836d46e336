// SPDX-License-Identifier: Apache-2.0
// The files of one dataset, converted: whoever queries them sees one table, so their columns must
// be the same, in name, type and order. What differs is said before anything is encrypted.
import { gatewayError } from '../errors.ts';
import {
  type Converted,
  chooseTypes,
  convertToParquet,
  type Inspection,
  inspectInput,
  refuseInexact,
  typesOfAll,
} from '../ingest/index.ts';
import type { Source } from './read-back.ts';
import { readDialect } from './upload-dialect.ts';

/** What the owner chose. */
export interface Choices {
  /** Types instead of the inferred ones, by column name. */
  readonly types: Readonly<Record<string, string>>;
  /** Whether what would be cut, or kept as text by a warning, is refused. */
  readonly strict?: boolean;
}

/** A file, and the plain Parquet that was made of it. */
export interface ConvertedFile extends Source {
  readonly parquet: string;
}

/** Files of one schema, and their rows together. */
export interface ConvertedFiles extends Pick<Converted, 'rows' | 'columns'> {
  readonly files: readonly ConvertedFile[];
}

/** Where the Parquet of an upload is put. */
export function parquetOf(upload: string): string {
  return `${upload}.parquet`;
}

/** Files that have been looked at: one table, of these columns. */
export interface FilesSeen extends Pick<Converted, 'columns'> {
  readonly inspections: readonly Inspection[];
  /** Types instead of each file's own: those of all files together, and those that were chosen. */
  readonly types: Readonly<Record<string, string>>;
}

/** Looks at each; `onFile` hears its number, from 1. @throws CodedError those of `inspectInput` */
export async function inspectAll(
  uploads: readonly string[],
  onFile: (number: number) => void,
): Promise<Inspection[]> {
  const seen: Inspection[] = [];
  for (const [at, upload] of uploads.entries()) {
    onFile(at + 1);
    seen.push(await inspectInput(upload, { dialect: await readDialect(upload) }));
  }
  return seen;
}

/**
 * The columns that files become together; one gets the type in which the values of every file stay
 * what they are.
 * @throws CodedError `dataset-files-differ`, `column-unknown`, `column-type-unknown`, `not-exact`,
 * `value-not-of-type`
 */
export function asOneTable(
  inspections: readonly Inspection[],
  { types: chosen, strict = false }: Choices,
): FilesSeen {
  const common = inspections.length > 1 ? commonTypes(inspections, chosen) : {};
  const types = { ...common, ...chosen };
  const [first = [], ...others] = inspections.map((one) => chooseTypes(one, types));
  for (const [i, columns] of others.entries()) refuseOther(i + 1, columns, first);
  if (strict) for (const one of inspections) refuseInexact(one, chosen);
  return { inspections, types, columns: first };
}

/**
 * Converts one after another, beside the uploads; `onFile` hears the number of each, from 1, before
 * its turn. @throws CodedError those of `convertToParquet`
 */
export async function convertAll(
  uploads: readonly string[],
  { inspections, types, columns }: FilesSeen,
  onFile: (number: number) => void,
): Promise<ConvertedFiles> {
  const files: ConvertedFile[] = [];
  let rows = 0;
  for (const [at, upload] of uploads.entries()) {
    onFile(at + 1);
    const parquet = parquetOf(upload);
    const inspection = inspections[at] as Inspection;
    const dialect = await readDialect(upload);
    const converted = await convertToParquet(upload, parquet, { dialect, types, inspection });
    rows += converted.rows;
    files.push({ upload, parquet, ...converted });
  }
  return { files, rows, columns };
}

/** What all files allow; text where one of them alone is no text is for the owner to choose. */
function commonTypes(
  seen: readonly Inspection[],
  chosen: Readonly<Record<string, string>>,
): Record<string, string> {
  const types = typesOfAll(seen);
  for (const [at, { columns }] of seen.entries()) {
    for (const { name, type } of columns) {
      const own = Object.hasOwn(chosen, name) || !Object.hasOwn(types, name);
      if (own || types[name] !== 'VARCHAR' || type === 'VARCHAR') continue;
      const message =
        `file ${at + 1} has ${name} as ${type}, which its values in all files together do not ` +
        `allow: choose a type for it (--type ${name}=VARCHAR keeps them as they are)`;
      throw gatewayError('dataset-files-differ', message);
    }
  }
  return types;
}

function refuseOther(at: number, got: Converted['columns'], wanted: Converted['columns']): void {
  const text = (column: Converted['columns'][number] | undefined) =>
    column === undefined ? 'nothing' : `${column.name} ${column.type}`;
  for (let i = 0; i < Math.max(got.length, wanted.length); i++) {
    const [one, other] = [text(got[i]), text(wanted[i])];
    if (one === other) continue;
    const message =
      `file ${at + 1} has ${one} where the first has ${other}: the files of a dataset have the ` +
      'same columns in the same order; types can be chosen';
    throw gatewayError('dataset-files-differ', message);
  }
}
