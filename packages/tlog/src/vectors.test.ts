// SPDX-License-Identifier: Apache-2.0
// Proof vectors of transparency-dev/merkle (518 cases) and the CT log list, where they are beside
// the repository.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBase64, isCoded, toBase64 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import {
  verifyConsistency,
  verifyInclusion,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from './index.ts';

const SHARED = fileURLToPath(new URL('../../../../shared/vectors/tlog/', import.meta.url));
const hasShared = existsSync(SHARED);

interface Case {
  readonly desc: string;
  readonly wantErr: boolean;
  readonly proof: readonly string[] | null;
  readonly [field: string]: unknown;
}

const bytes = (v: unknown) =>
  v === null || v === undefined ? new Uint8Array() : fromBase64(v as string);
const proofOf = (c: Case) => (c.proof ?? []).map(bytes);

const KINDS: Record<string, (c: Case) => void> = {
  inclusion: (c) =>
    verifyInclusion(nodeCrypto, {
      leaf: bytes(c['leafHash']),
      index: c['leafIdx'] as number,
      size: c['treeSize'] as number,
      root: bytes(c['root']),
      proof: proofOf(c),
    }),
  consistency: (c) =>
    verifyConsistency(nodeCrypto, {
      fromSize: c['size1'] as number,
      fromRoot: bytes(c['root1']),
      toSize: c['size2'] as number,
      toRoot: bytes(c['root2']),
      proof: proofOf(c),
    }),
  subtreeinclusion: (c) =>
    verifySubtreeInclusion(nodeCrypto, {
      leaf: bytes(c['leafHash']),
      index: c['leafIdx'] as number,
      start: c['start'] as number,
      end: c['end'] as number,
      root: bytes(c['root']),
      proof: proofOf(c),
    }),
  subtreeconsistency: (c) =>
    verifySubtreeConsistency(nodeCrypto, {
      start: c['start'] as number,
      end: c['end'] as number,
      subtreeRoot: bytes(c['root1']),
      size: c['size'] as number,
      root: bytes(c['root2']),
      proof: proofOf(c),
    }),
};

function outcome(verify: (c: Case) => void, c: Case): unknown {
  try {
    verify(c);
    return 'holds';
  } catch (error) {
    return error;
  }
}

/** The case with hashes in the place of roots of another length; undefined if there are none. */
function padded(c: Case): Case | undefined {
  const hash = (v: unknown) =>
    bytes(v).length === 32 ? v : toBase64(nodeCrypto.digest('sha256', bytes(v)));
  const roots = Object.entries(c).filter(([field]) => /^root\d?$/.test(field));
  const hashed = roots.map(([field, v]) => [field, hash(v)] as const);
  if (hashed.every(([field, v]) => v === c[field])) return undefined;
  return { ...c, ...Object.fromEntries(hashed) };
}

describe.skipIf(!hasShared)('transparency-dev/merkle vectors [skip: shared]', () => {
  const folder = join(SHARED, 'transparency-dev-merkle');
  for (const [kind, verify] of Object.entries(KINDS)) {
    const files = hasShared
      ? readdirSync(join(folder, kind), { recursive: true, encoding: 'utf8' })
      : [];
    for (const file of files.filter((f) => f.endsWith('.json')).sort()) {
      it(`${kind}/${file}`, () => {
        const c = JSON.parse(readFileSync(join(folder, kind, file), 'utf8')) as Case;
        const got = outcome(verify, c);
        if (c.wantErr) expect(isCoded(got), `${c.desc}: ${String(got)}`).toBe(true);
        else if (padded(c) === undefined) expect(got, c.desc).toBe('holds');
        else {
          // Stricter than the vector: a root that is not a hash is refused whatever it is equal to.
          expect(isCoded(got, 'proof-malformed'), c.desc).toBe(true);
          expect(outcome(verify, padded(c) as Case), c.desc).toBe('holds');
        }
      });
    }
  }

  it('ct-go: each log id is the SHA-256 of its key', () => {
    const list = JSON.parse(readFileSync(join(SHARED, 'ct-go/testdata/loglist3.json'), 'utf8'));
    const logs = list.operators.flatMap((o: { logs: { log_id: string; key: string }[] }) => o.logs);
    expect(logs.length).toBe(6);
    for (const log of logs) {
      expect(nodeCrypto.digest('sha256', bytes(log.key))).toEqual(bytes(log.log_id));
    }
  });
});
