// SPDX-License-Identifier: Apache-2.0
// What is wrong with a value that a schema refuses, in our own words: where it is, what was wanted
// and what was got; never the value itself. Messages that a schema names are taken as they are; the
// library's own, which are for programmers, are not.

/** What a schema's error says of one place (zod's issues are such). */
export interface SchemaIssue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Beginnings of the library's own sentences. */
const FOREIGN = /^(?:Invalid|Too small|Too big|Unrecognized|Expected|Required)\b/;

const NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  map: 'a map',
  null: 'null',
  undefined: 'nothing',
};
const SIZES: Readonly<Record<string, string>> = {
  string: ' characters',
  array: ' entries',
  set: ' entries',
  map: ' entries',
};

/** The first issue of a refused value: `where` is empty for the whole. */
export function firstIssue(error: { readonly issues: readonly SchemaIssue[] }): {
  readonly where: string;
  readonly says: string;
} {
  const [issue] = error.issues;
  if (issue === undefined) return { where: '', says: 'is malformed' };
  return { where: issue.path.map(String).join('.'), says: issueSentence(issue) };
}

/** What was wanted, and what was got where that is known. */
export function issueSentence(issue: SchemaIssue): string {
  if (!FOREIGN.test(issue.message)) return issue.message;
  const of = issue as SchemaIssue & Readonly<Record<string, unknown>>;
  switch (issue.code) {
    case 'invalid_type':
      return `wanted ${named(of['expected'])}${got(issue.message)}`;
    case 'unrecognized_keys':
      return `there is no ${texts(of['keys']).join(', ')}`;
    case 'too_small':
      return `wanted at least ${bound(of, 'minimum')}`;
    case 'too_big':
      return `wanted at most ${bound(of, 'maximum')}`;
    case 'invalid_value':
      return `wanted ${texts(of['values']).join(' or ')}`;
    case 'invalid_union':
      return union(of);
    case 'invalid_key':
    case 'invalid_element':
      return nested(of['issues']) ?? 'wanted another name';
    case 'invalid_format':
      return `wanted ${of['format'] === 'regex' ? 'another form' : `the form of ${of['format']}`}`;
    default:
      return 'wanted another value';
  }
}

function named(expected: unknown): string {
  return NAMES[String(expected)] ?? String(expected);
}

function got(message: string): string {
  const received = /received (\w+)$/.exec(message)?.[1];
  if (received === undefined) return '';
  return received === 'undefined' ? ', and there is none' : `, got ${named(received)}`;
}

function bound(of: Readonly<Record<string, unknown>>, which: string): string {
  return `${of[which]}${SIZES[String(of['origin'])] ?? ''}`;
}

function union(of: Readonly<Record<string, unknown>>): string {
  const options = texts(of['options']);
  if (options.length > 0) return `wanted ${options.join(' or ')}`;
  const branches = Array.isArray(of['errors']) ? of['errors'] : [];
  const says = branches.flatMap((branch) => nested(branch) ?? []);
  return [...new Set(says)].join(', or ') || 'wanted another value';
}

function nested(issues: unknown): string | undefined {
  const first = Array.isArray(issues) ? (issues[0] as SchemaIssue | undefined) : undefined;
  return first && issueSentence(first);
}

function texts(list: unknown): string[] {
  return Array.isArray(list) ? list.map(String) : [];
}
