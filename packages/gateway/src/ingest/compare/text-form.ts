// SPDX-License-Identifier: Apache-2.0
// A text in the plain form that values are compared in (value-form.ts), where its file has marks or
// forms of its own; by our code, which shares nothing with what the engine is told.
import { compileDateFormat } from '../dialect/date-format.ts';
import type { Dialect } from '../dialect/dialect.ts';
import { toPlain } from '../dialect/marks.ts';

/** Undefined where texts of this type are plain as they are. */
export function toPlainText(
  type: string,
  of: Pick<Dialect, 'decimal' | 'thousands'> & { readonly dateFormat: string | undefined },
): ((text: string) => string) | undefined {
  if (/INT|^FLOAT$|^DOUBLE$|^DECIMAL/.test(type)) {
    const plain = toPlain(of);
    return plain && ((text) => plain(text)?.plain ?? `not a number: ${text}`);
  }
  if (of.dateFormat === undefined || !/^(?:DATE|TIMESTAMP)/.test(type)) return undefined;
  const format = compileDateFormat(of.dateFormat);
  return (text) => format.toIso(text)?.iso ?? `not a time: ${text}`;
}
