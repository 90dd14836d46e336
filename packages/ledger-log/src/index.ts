// SPDX-License-Identifier: Apache-2.0
// The embedded ledger: on files, served over HTTP, and called over HTTP.
export { PAGE_MAX } from './bounds.ts';
export { EVENT_SIZE_MAX } from './entries-file.ts';
export type { LedgerLogErrorCode } from './errors.ts';
export { type FsckProblem, type FsckReport, fsck } from './fsck.ts';
export type { RequestAuthenticator } from './http-call.ts';
export { HttpLedger, type HttpLedgerOptions } from './http-ledger.ts';
export type { LogFile, LogFs } from './log-fs.ts';
export { LogLedger, type LogLedgerOptions } from './log-ledger.ts';
export type { Recovery } from './open-folder.ts';
export type { QuotaLimits } from './quota.ts';
export { type LedgerServer, type ServeLedgerOptions, serveLedger } from './serve.ts';
export type { LedgerRequest } from './wire.ts';
