// SPDX-License-Identifier: Apache-2.0
// A node's TLS key in the simulation, where no channel uses it: bytes by name, so that a seed
// replays, and no private half.
import type { TlsKey } from '@cloister/attested';
import { namedBytes } from '../world/index.ts';

export function namedTlsKey(label: string, node: string): TlsKey {
  return { spki: namedBytes(label, `${node}/tls`), privateKey: undefined, wipe: () => {} };
}
