// SPDX-License-Identifier: Apache-2.0
// What server and client of the ledger's HTTP interface share (spec/ledger.md).
//
//   POST /v1/append                     body: the event           -> {"seq": 4711}
//   GET  /v1/entries?from=&limit=&wait= -> an entry bundle (u16 length, event) from `from` on
//   GET  /v1/size                       -> {"origin", "size", "root"}
//   GET  /checkpoint                    the checkpoint's text, without signatures
//   GET  /tile/...                      C2SP tlog-tiles
//   GET  /healthz
//
// Every answer to /v1/entries names the head after its last event in cloister-size and
// cloister-root, so that a reader compares its own tree with each page. Errors are
// {"error": {"code", "kind", "message", "details"}}.

export const HEADER_SIZE = 'cloister-size';
export const HEADER_ROOT = 'cloister-root';

/** Longest wait of a long poll, milliseconds. */
export const WAIT_MAX_MS = 25_000;
/** Most bytes of a page: the events of one page and their length prefixes. */
export const PAGE_BYTES_MAX = 8 * 1024 * 1024;

/** A request as it is authenticated. */
export interface LedgerRequest {
  readonly method: string;
  /** Path with query, as sent. */
  readonly path: string;
  /** SHA-256 of the body; of nothing when there is none. */
  readonly bodyDigest: Uint8Array;
  /** Header fields by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}
