// SPDX-License-Identifier: Apache-2.0
// The embedded ledger: a log store served over HTTP, and called over HTTP.
export type { LedgerLogErrorCode } from './errors.ts';
export type { RequestAuthenticator } from './http-call.ts';
export { HttpLedger, type HttpLedgerOptions } from './http-ledger.ts';
export type { QuotaLimits } from './quota.ts';
export { type LedgerServer, type ServeLedgerOptions, serveLedger } from './serve.ts';
export type { LedgerRequest } from './wire.ts';
