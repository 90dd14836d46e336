// SPDX-License-Identifier: Apache-2.0
// What the rest of the gateway uses of ingest: look at a file first, then convert it.
export { compareParquet } from './compare/compare-parquet.ts';
export { compareText } from './compare/compare-text.ts';
export { type Converted, type ConvertOptions, chooseTypes, convertToParquet } from './convert.ts';
export { saidOf } from './dialect/check-said.ts';
export type { Said } from './dialect/dialect.ts';
export { type InspectOptions, inspectInput, refuseInexact } from './inspect.ts';
export type { InspectedColumn, Inspection } from './inspection.ts';
export { REMARK_MEANS } from './remarks.ts';
export { typesOfAll } from './types-of-all.ts';
