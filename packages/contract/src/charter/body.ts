// SPDX-License-Identifier: Apache-2.0
// The charter: who the members, operators and witnesses are, which environments are accepted, and
// the numbers of the protocol. Founders sign the same payload; its SHA-256 is the genesis.
// The cross-checks that one schema cannot state (quorum, vendor rule, unique names) are in
// ../charter-rules.ts. spec/events.md, "charter".
import { type Cbor, type CryptoPort, encodeCbor } from '@cloister/core';
import { z } from 'zod';
import { bytesUpTo, count, digest, ed25519Key, point, positive, slug, title } from '../shapes.ts';

/** A member and the public halves of its three charter keys. */
export const member = z.strictObject({
  id: slug,
  name: title,
  identity: ed25519Key,
  witness: ed25519Key,
  hpke: point,
  /** Its keys on other chains, and certificates about it: no rule uses them yet. */
  chains: z
    .array(z.strictObject({ chain: slug, key: bytesUpTo(128, 16) }))
    .max(8)
    .optional(),
  certificates: z.array(bytesUpTo(8_192)).max(4).optional(),
});

/** What may hold a task's code, weakest first: nothing, a process with limits, and stronger. */
export const CAGES = ['none', 'process', 'sandbox', 'machine'] as const;
export type Cage = (typeof CAGES)[number];
export const cage = z.enum(CAGES);

/** Whether `cage` holds code at least as well as `least`. */
export function cageHolds(cage: Cage, least: Cage): boolean {
  return CAGES.indexOf(cage) >= CAGES.indexOf(least);
}

/** Who runs machines; `key` signs joins, `hardware` lists the enrolled hardware identities. */
export const operator = z.strictObject({
  id: slug,
  name: title,
  key: ed25519Key,
  hardware: z.array(z.strictObject({ tee: slug, id: bytesUpTo(128) })).max(1_000),
});

/** A field of an evidence policy: a list of what is accepted, or the word `any`. */
const accepted = z.union([z.array(z.string().max(200)).max(1_000), z.literal('any')]);

/** Evidence of a second kind, and what it must show. */
const furtherEvidence = z.strictObject({
  tee: slug,
  root: digest,
  tcb: accepted,
  advisories: accepted,
  minimumSvn: z.union([count, z.literal('any')]),
});

/** An environment that nodes of one role may run in, and what its evidence must show. */
export const environment = z.strictObject({
  id: slug,
  role: z.enum(['keeper', 'worker']),
  /** The evidence kind, as `@cloister/evidence` names it. */
  tee: slug,
  /** The root family that the vendor rule counts; for an enrolled root, `<tee>:<operator>`. */
  family: z.string().min(1).max(64),
  /** SHA-256 of the encoded root document that evidence must chain to. */
  root: digest,
  /** SHA-256 of that root's SubjectPublicKeyInfo: whose collateral counts here. */
  rootKey: digest,
  /** Evaluation numbers of TCB info and identities that count; the greatest may be left out. */
  evaluation: z.strictObject({ least: count, most: count.optional() }),
  trust: z.enum(['hardware', 'test-root', 'simulated']),
  measurements: z
    .array(
      z.strictObject({
        measurement: bytesUpTo(64, 16),
        /** Source commit and build recipe that give this measurement. */
        source: title,
        recipe: title,
      }),
    )
    .max(100),
  /** In the place of measurements, programs that somebody signs under a tag: no rule yet. */
  signers: z.array(z.strictObject({ key: ed25519Key, tag: title })).max(16),
  /** Accepted TCB statuses and advisories; the least security version, where the kind has one. */
  tcb: accepted,
  advisories: accepted,
  minimumSvn: z.union([count, z.literal('any')]),
  /** The engines that a worker's programs hold, as tasks name them; a keeper's hold none. */
  engines: z.array(slug).max(16),
  /** The least that a task's code is held by; keepers run none. */
  cage,
  /** What a machine must show besides `tee`, as a GPU's evidence: no rule judges it yet. */
  also: z.array(furtherEvidence).max(4),
});

export const charterBody = z.strictObject({
  name: title,
  version: positive,
  members: z.array(member).min(1).max(200),
  /** Of the members' witnesses, `faulty` may lie; `quorum` must sign (charter-rules.ts). */
  witnesses: z.strictObject({ faulty: count, quorum: positive }),
  operators: z.array(operator).min(1).max(200),
  environments: z.array(environment).min(1).max(200),
  /** n seats, t of which open; any `vendors` - 1 root families together hold fewer than t. */
  keepers: z.strictObject({
    seats: z.number().int().min(1).max(99),
    threshold: z.number().int().min(1).max(99),
    vendors: z.number().int().min(1).max(99),
    /** Operators whose keeper may take one seat without members' consent (fold/proposals.ts). */
    spares: z.array(slug).max(200),
  }),
  /** Ledger milliseconds that an epoch's phase, a run and the release of its result may take. */
  deadlines: z.strictObject({ epochPhase: positive, run: positive, release: positive }),
  /** Version of the fold's rules; a release that does not know it folds no further. */
  fold: positive,
  /** Whether simulated hardware is accepted; if so everything under this charter says SIMULATED. */
  simulated: z.boolean(),
});

export type Member = z.infer<typeof member>;
export type Operator = z.infer<typeof operator>;
export type Environment = z.infer<typeof environment>;
export type CharterBody = z.infer<typeof charterBody>;

const DIGEST_DOMAIN = 'cloister/charter/v1';

/** What an amendment names the charter before it by: SHA-256 of [domain, body]. 32 bytes. */
export function charterDigest(body: CharterBody, crypto: CryptoPort): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256', encodeCbor([DIGEST_DOMAIN, body as unknown as Cbor]));
}
