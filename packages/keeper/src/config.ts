// SPDX-License-Identifier: Apache-2.0
// What a keeper is told when it starts, as JSON over its launcher's channel. Nothing in it is
// secret, and nothing in it is trusted further than the genesis: the charter must hash to it, and
// everything else comes from the ledger.

import { type CharterBody, EVENT_KINDS, EVENT_VERSION } from '@cloister/contract';
import { type CryptoPort, decodeCbor, equal, fromBase64, fromHex } from '@cloister/core';
import { z } from 'zod';
import { keeperError } from './errors.ts';

export const keeperConfig = z.strictObject({
  /** For logs and the issuer claim of its events. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  genesis: z.string().regex(/^[0-9a-f]{64}$/),
  /** The first charter's payload (not its signatures), base64: its SHA-256 is the genesis. */
  charter: z.string(),
  operator: z.string(),
  environment: z.string(),
  /** Addresses of gateways, any members'; the first is asked first. */
  gateways: z.array(z.string().url()).min(1).max(200),
  host: z.string().default('127.0.0.1'),
  /** 0: any free port. */
  port: z.number().int().min(0).max(65_535).default(0),
  /** Milliseconds to wait for the first cosigned checkpoint and for the join to be accepted. */
  patienceMs: z.number().int().min(100).max(600_000).default(60_000),
});

export type KeeperConfig = z.infer<typeof keeperConfig>;
export type KeeperConfigInput = z.input<typeof keeperConfig>;

/** @throws CodedError `config-malformed` */
export function parseKeeperConfig(value: unknown): KeeperConfig {
  const parsed = keeperConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  const message = `the keeper's configuration is wrong at '${where}': ${issue?.message ?? ''}`;
  throw keeperError('config-malformed', 'malformed', message);
}

/** The charter that founds the genesis. @throws CodedError `charter-mismatch` */
export function foundingCharter(config: KeeperConfig, crypto: CryptoPort): CharterBody {
  const payload = fromBase64(config.charter);
  if (!equal(crypto.digest('sha256', payload), fromHex(config.genesis))) {
    const message = 'the charter does not hash to the genesis that this keeper is to serve';
    throw keeperError('charter-mismatch', 'verification', message);
  }
  const parts = decodeCbor(payload);
  const [version, genesis, kind, body] = (Array.isArray(parts) ? parts : []) as unknown[];
  const parsed = EVENT_KINDS.charter.body.safeParse(body);
  if (version !== EVENT_VERSION || genesis !== null || kind !== 'charter' || !parsed.success) {
    const message = 'the payload that hashes to the genesis is not a first charter';
    throw keeperError('charter-mismatch', 'malformed', message);
  }
  return parsed.data;
}
