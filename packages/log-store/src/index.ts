// SPDX-License-Identifier: Apache-2.0
// The log's files: what the ledger server keeps its order in, and gateways their copy of it.
export { checkEvent, checkRange, PAGE_MAX } from './bounds.ts';
export { EVENT_SIZE_MAX } from './entries-file.ts';
export { type LogStoreErrorCode, logStoreError } from './errors.ts';
export { type FsckProblem, type FsckReport, fsck } from './fsck.ts';
export type { LogFile, LogFs } from './log-fs.ts';
export { LogLedger, type LogLedgerOptions } from './log-ledger.ts';
export type { Recovery } from './open-folder.ts';
