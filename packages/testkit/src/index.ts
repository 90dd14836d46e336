// SPDX-License-Identifier: Apache-2.0
// Ports that misbehave on purpose, for tests only: no package may depend on this one outside tests.
export * from './exposition.ts';
export * from './faulty-files.ts';
