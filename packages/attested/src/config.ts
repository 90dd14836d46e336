// SPDX-License-Identifier: Apache-2.0
// What an attested node is told when it starts, as JSON over its launcher's channel. Nothing in it
// is secret, and nothing in it is trusted further than the genesis: the charter must hash to it,
// and everything else comes from the ledger.
import { type CharterBody, decodeFoundingCharter } from '@cloister/contract';
import { type CryptoPort, firstIssue, fromBase64, fromHex } from '@cloister/core';
import { z } from 'zod';
import { attestedError } from './errors.ts';

/** What every role is told; a role that is told more extends it. */
export const nodeConfig = z.strictObject({
  /** For logs and the issuer claim of its events. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  genesis: z.string().regex(/^[0-9a-f]{64}$/),
  /** The first charter's payload (not its signatures), base64: its SHA-256 is the genesis. */
  charter: z.string(),
  operator: z.string(),
  environment: z.string(),
  /** Addresses of gateways, any members': q of their witnesses must be among them. */
  gateways: z.array(z.string().url()).min(1).max(200),
  host: z.string().default('127.0.0.1'),
  /** 0: any free port. */
  port: z.number().int().min(0).max(65_535).default(0),
  /** Milliseconds to wait for checkpoints, receipts, peers, and its join to be accepted. */
  patienceMs: z.number().int().min(100).max(600_000).default(60_000),
});

export type NodeConfig = z.infer<typeof nodeConfig>;
export type NodeConfigInput = z.input<typeof nodeConfig>;

/** Checks what the launcher gave a node of this role. @throws CodedError `config-malformed` */
export function parseNodeConfig<T extends z.ZodType>(
  role: string,
  schema: T,
  value: unknown,
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { where, says } = firstIssue(parsed.error);
  const message = `the ${role}'s configuration is wrong at '${where}': ${says}`;
  throw attestedError('config-malformed', message);
}

/** The charter that founds the genesis. @throws CodedError the founding charter's codes */
export function foundingCharter(
  config: Pick<NodeConfig, 'charter' | 'genesis'>,
  crypto: CryptoPort,
): CharterBody {
  return decodeFoundingCharter(fromBase64(config.charter), fromHex(config.genesis), crypto);
}
