// SPDX-License-Identifier: Apache-2.0
// What an attested node itself needs: its end of the launcher's channel, and the port behind it. A
// node imports this and never the package's other face, so that nothing which launches, measures or
// mints is part of what a node is.
export * from './attester.ts';
export * from './launched-node.ts';
