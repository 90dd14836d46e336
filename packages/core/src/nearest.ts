// SPDX-License-Identifier: Apache-2.0
// The known name that was probably meant by one that is not known: by few changes of a letter (one
// more, one less, another, two that are swapped), whatever the case.

/** A name of which more is wrong than a third is no slip. */
const LETTERS_A_SLIP = 3;
const NAME_MOST = 200;

/** The nearest of `known`, or undefined where none is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > NAME_MOST) return undefined;
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / LETTERS_A_SLIP)) + 1;
  for (const one of known) {
    if (one.length > NAME_MOST || Math.abs(one.length - wanted.length) >= least) continue;
    const slips = slipsBetween(wanted, one.toLowerCase());
    if (slips >= least) continue;
    [best, least] = [one, slips];
  }
  return best;
}

/** What follows an unknown name in a message: ` (did you mean age?)`, or nothing. */
export function meant(name: string, known: Iterable<string>): string {
  const found = nearest(name, known);
  return found === undefined ? '' : ` (did you mean ${found}?)`;
}

/** The restricted edit distance of Damerau and Levenshtein. */
function slipsBetween(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + (same ? 0 : 1),
        swapped ? (before[j - 2] as number) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, above] = [above, row];
  }
  return above[b.length] as number;
}
