// SPDX-License-Identifier: Apache-2.0
// What tests of this and other packages build ledgers from. Node only; never imported by a product.
export * as amending from './amend.ts';
export * from './charter-specimen.ts';
export * from './chunked-file.ts';
export * from './keys.ts';
export * from './makers.ts';
export * from './story.ts';
export * from './world.ts';
