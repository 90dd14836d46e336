// SPDX-License-Identifier: Apache-2.0
// A charter for people who read.
import type { CharterBody } from '@cloister/contract';
import { toHex } from '@cloister/core';

/** A charter in words. */
export function charterLines(body: CharterBody, genesis: string): string[] {
  const { seats, threshold, vendors } = body.keepers;
  const families =
    vendors === 2 ? 'no root family' : `no ${vendors - 1} root families taken together`;
  const { quorum, faulty } = body.witnesses;
  const rule = `${families} and no operator holds more than ${threshold - 1}`;
  const measured = (e: (typeof body.environments)[number]) =>
    toHex(e.measurements[0]?.measurement ?? new Uint8Array()).slice(0, 16);
  return [
    `${body.name}, version ${body.version}`,
    `genesis      ${genesis}`,
    `members      ${body.members.map((m) => `${m.id} (${m.name})`).join(', ')}`,
    `witnesses    ${quorum} of ${body.members.length} must sign; ${faulty} may lie`,
    `operators    ${body.operators.map((o) => `${o.id} (${o.name})`).join(', ')}`,
    `keepers      ${threshold} of ${seats} open; ${rule}`,
    'environments',
    ...body.environments.map(
      (e) =>
        `  ${e.id}: ${e.role} on ${e.tee}, roots of ${e.family}, ${e.trust}, ` +
        `measurement ${measured(e)}...` +
        (e.role === 'worker' ? `, code held by ${e.cage} at least` : ''),
    ),
  ];
}
