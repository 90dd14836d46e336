// SPDX-License-Identifier: Apache-2.0
// The schema of a Parquet file: a tree in depth-first order, whose leaves are the columns
// (parquet-format README, "Nested Encoding"). A column is named by its dotted path; where two
// columns have one dotted path, naming it is refused.
import { overLimit, parquetError } from './errors.ts';
import { ELEMENT, FILE, type ParquetLimits, PHYSICAL_TYPES, REPETITIONS } from './format.ts';
import { logicalTypeOf } from './logical-type.ts';
import type { ThriftStruct } from './thrift/struct.ts';
import { i32, structList, type ThriftValue } from './thrift/struct.ts';

const DEPTH_MAX = 64;
/** A long name over many columns is in the path of each. */
const PATHS_LENGTH_MAX = 8 * 1024 * 1024;

/** A leaf of the schema. */
export interface LeafColumn {
  /** Position among the leaves, from 0: the ordinal in AADs. */
  readonly ordinal: number;
  readonly parts: readonly string[];
  /** `parts` joined by dots. */
  readonly path: string;
  readonly physicalType: (typeof PHYSICAL_TYPES)[number];
  /** Bytes of a FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength?: number;
  /** For example `DECIMAL(15,2)`, `TIMESTAMP(MICROS,UTC)`; absent where there is none. */
  readonly logicalType?: string;
  readonly repetition: (typeof REPETITIONS)[number];
  /** True where the leaf or a group above it may be null. */
  readonly nullable: boolean;
  /** True where a group above it repeats, or the leaf itself does. */
  readonly repeated: boolean;
}

interface Node {
  readonly element: ThriftStruct;
  readonly children: Node[];
  readonly leaf?: LeafColumn;
}

/** A parsed schema. */
export interface Schema {
  readonly root: Node;
  readonly leaves: readonly LeafColumn[];
}

/** @throws CodedError `parquet-malformed`, `parquet-limit` and the thrift codes */
export function parseSchema(file: ThriftStruct, limits: ParquetLimits): Schema {
  const elements = file.structs(FILE.schema, 'SchemaElement', limits.schemaElementsMax);
  if (elements === undefined || elements[0] === undefined) {
    throw parquetError('parquet-malformed', 'the footer has no schema');
  }
  const leaves: LeafColumn[] = [];
  let pathsLength = 0;
  let at = 0;
  const walk = (above: readonly string[], nullable: boolean, repeated: boolean): Node => {
    const element = elements[at++];
    if (element === undefined) {
      throw parquetError('parquet-malformed', 'the schema promises more elements than it has');
    }
    const isRoot = at === 1;
    if (above.length > DEPTH_MAX)
      throw overLimit('the depth of the schema', above.length, DEPTH_MAX);
    const parts = isRoot ? [] : [...above, element.text(ELEMENT.name) ?? ''];
    const repetition = isRoot ? 'REQUIRED' : repetitionOf(element);
    const mayBeNull = nullable || repetition === 'OPTIONAL';
    const mayRepeat = repeated || repetition === 'REPEATED';
    if (!isRoot && element.has(ELEMENT.type)) {
      const leaf = leafOf(
        element,
        { parts, repetition, nullable: mayBeNull, repeated: mayRepeat },
        leaves,
      );
      pathsLength += leaf.path.length;
      if (pathsLength > PATHS_LENGTH_MAX) {
        throw overLimit('the length of all column paths', pathsLength, PATHS_LENGTH_MAX);
      }
      return { element, children: [], leaf };
    }
    const count = element.size(ELEMENT.children) ?? 0;
    if (count > elements.length - at) {
      throw parquetError('parquet-malformed', 'a schema group has more children than there are');
    }
    const children: Node[] = [];
    for (let i = 0; i < count; i++) children.push(walk(parts, mayBeNull, mayRepeat));
    return { element, children };
  };
  const root = walk([], false, false);
  if (at !== elements.length) {
    throw parquetError('parquet-malformed', 'the schema has elements outside its tree');
  }
  return { root, leaves };
}

function leafOf(
  element: ThriftStruct,
  place: Pick<LeafColumn, 'parts' | 'repetition' | 'nullable' | 'repeated'>,
  leaves: LeafColumn[],
): LeafColumn {
  const physicalType = PHYSICAL_TYPES[element.requiredInt(ELEMENT.type)];
  if (physicalType === undefined) {
    throw parquetError('parquet-malformed', `column ${place.parts.join('.')} has an unknown type`);
  }
  const typeLength = element.size(ELEMENT.typeLength);
  const logicalType = logicalTypeOf(element);
  const leaf: LeafColumn = {
    ordinal: leaves.length,
    path: place.parts.join('.'),
    physicalType,
    ...(typeLength === undefined || physicalType !== 'FIXED_LEN_BYTE_ARRAY' ? {} : { typeLength }),
    ...(logicalType === undefined ? {} : { logicalType }),
    ...place,
  };
  leaves.push(leaf);
  return leaf;
}

function repetitionOf(element: ThriftStruct): (typeof REPETITIONS)[number] {
  const repetition = REPETITIONS[element.int(ELEMENT.repetition) ?? 0];
  if (repetition === undefined) {
    throw parquetError('parquet-malformed', 'a schema element has an unknown repetition');
  }
  return repetition;
}

/** Finds the leaves that a name stands for: a leaf's path, or a group's for all under it. */
export class LeafIndex {
  private readonly schema: Schema;
  private readonly byName = new Map<string, LeafColumn[]>();

  constructor(schema: Schema) {
    this.schema = schema;
    for (const leaf of schema.leaves) {
      for (let depth = 1; depth <= leaf.parts.length; depth++) {
        const name = leaf.parts.slice(0, depth).join('.');
        const known = this.byName.get(name);
        if (known === undefined) this.byName.set(name, [leaf]);
        else known.push(leaf);
      }
    }
  }

  /** @throws CodedError `column-unknown`, `column-ambiguous` */
  leavesOf(name: string): readonly LeafColumn[] {
    const found = this.byName.get(name);
    if (found === undefined)
      throw parquetError('column-unknown', `no column ${JSON.stringify(name)}`);
    return unambiguous(name, found);
  }

  /** The leaves of all names, in schema order. */
  select(names: readonly string[]): LeafColumn[] {
    const chosen = new Set(names.flatMap((name) => this.leavesOf(name)));
    return this.schema.leaves.filter((leaf) => chosen.has(leaf));
  }
}

function unambiguous(name: string, found: readonly LeafColumn[]): readonly LeafColumn[] {
  const depths = new Set(
    found.map((leaf) => {
      let depth = 1;
      while (leaf.parts.slice(0, depth).join('.') !== name) depth++;
      return JSON.stringify(leaf.parts.slice(0, depth));
    }),
  );
  if (depths.size > 1) {
    throw parquetError('column-ambiguous', `${JSON.stringify(name)} is the path of two columns`);
  }
  return found;
}

/** The schema list of a file that holds only `leaves`: they, and the groups above them. */
export function projectSchema(schema: Schema, leaves: ReadonlySet<LeafColumn>): ThriftValue {
  const out: Uint8Array[] = [];
  const walk = (node: Node): boolean => {
    if (node.leaf !== undefined) {
      if (!leaves.has(node.leaf)) return false;
      out.push(node.element.edit({}));
      return true;
    }
    const at = out.length;
    out.push(new Uint8Array(0));
    const children = node.children.filter((child) => walk(child)).length;
    if (children === 0 && node !== schema.root) {
      out.length = at;
      return false;
    }
    out[at] = node.element.edit({ [ELEMENT.children]: i32(children) });
    return true;
  };
  walk(schema.root);
  return structList(out);
}
