// SPDX-License-Identifier: Apache-2.0
// Field policies: the document, its compiled form, uses and the judge.
export * from './document.ts';
export * from './document-of.ts';
export type { TaskFacts } from './effective.ts';
export * from './finding.ts';
export * from './in-words.ts';
export * from './judge.ts';
export * from './policy.ts';
export * from './use.ts';
