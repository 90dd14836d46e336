// SPDX-License-Identifier: Apache-2.0
// When Intel issued what, as captured: TCB info and TD QE identities with their evaluation numbers,
// the platform CA's list and the root's. Each row is a signed statement in shared/vectors/bundles,
// whose file names end in the number and the day; TCB info of FMSPC 90C06F000000 where there is
// one, else of the platform named. TCB info, identities and the CA's list are due again after 30
// days; the CRL number of every list is 1.
//
// What they teach: 18 was out (February 2025) while 17 was issued again until October; 21 came
// (June 2026) two months before 20 was issued again; and that 20 came beside an identity of 19.
export interface Issue {
  readonly part: 'tcb-info' | 'qe-identity' | 'pck-crl' | 'root-crl';
  readonly number: number;
  readonly issued: string;
  /** Days until the next is due. */
  readonly days: number;
}

const info = (number: number, issued: string): Issue => {
  return { part: 'tcb-info', number, issued, days: 30 };
};
const identity = (number: number, issued: string): Issue => {
  return { part: 'qe-identity', number, issued, days: 30 };
};
const list = (issued: string): Issue => ({ part: 'pck-crl', number: 1, issued, days: 30 });
const root = (issued: string, days: number): Issue => {
  return { part: 'root-crl', number: 1, issued, days };
};

export const INTEL_ISSUES: readonly Issue[] = [
  info(17, '2025-02-12T10:38:59Z'),
  info(18, '2025-02-26T10:37:20Z'),
  info(17, '2025-06-05T03:43:45Z'),
  info(17, '2025-06-19T10:16:03Z'), // b0c06f000000
  info(17, '2025-07-07T09:06:43Z'), // 00806f050000
  info(17, '2025-09-02T07:41:59Z'), // 20a06f000000
  info(17, '2025-10-19T17:48:50Z'), // 00806f050000
  info(17, '2025-10-27T13:07:17Z'), // 00a06d080000
  info(18, '2026-02-01T14:49:26Z'),
  info(18, '2026-02-18T10:58:51Z'),
  info(18, '2026-03-01T19:36:43Z'), // b0c06f000000
  info(21, '2026-06-12T22:19:21Z'), // 00806f050000
  info(20, '2026-08-13T10:45:38Z'), // b0c06f000000
  identity(17, '2025-02-13T03:39:00Z'),
  identity(18, '2025-02-20T11:31:38Z'),
  identity(17, '2025-05-27T19:22:46Z'),
  identity(17, '2025-06-04T09:40:18Z'),
  identity(17, '2025-06-19T10:32:27Z'),
  identity(17, '2025-07-07T09:20:26Z'),
  identity(17, '2025-09-02T07:10:03Z'),
  identity(17, '2025-10-13T10:46:47Z'),
  identity(17, '2025-10-28T06:45:09Z'),
  identity(18, '2026-02-18T10:42:15Z'),
  identity(21, '2026-06-12T22:09:43Z'),
  identity(19, '2026-08-12T23:57:43Z'),
  list('2025-02-13T03:40:28Z'),
  list('2025-05-27T18:46:25Z'),
  list('2025-06-19T10:00:35Z'),
  list('2025-07-07T09:15:57Z'),
  list('2025-08-15T05:41:26Z'),
  list('2025-09-02T07:03:51Z'),
  list('2025-10-13T10:45:32Z'),
  list('2026-02-18T10:41:15Z'),
  list('2026-08-12T23:57:11Z'),
  root('2024-03-20T19:19:30Z', 379),
  root('2025-03-20T11:21:57Z', 379),
  root('2026-02-26T13:04:00Z', 365),
];
