// SPDX-License-Identifier: Apache-2.0
// How a node enters: evidence over its keys and the checkpoint it began from, a join signed by its
// own key, and the operator's countersignature around it (spec/events.md, "join").

import type { Attester } from '@cloister/attester/node';
import {
  BLOB_MOST,
  type CharterBody,
  environmentById,
  eventId,
  type FoldState,
  operatorById,
  placed,
  reportData,
  signEvent,
} from '@cloister/contract';
import { type BlobStore, blobTooLarge, type CryptoPort, type Signer, utf8 } from '@cloister/core';
import type { TreeHead } from '@cloister/tlog';
import type { Appender } from './append.ts';
import { attestedError } from './errors.ts';
import { gather, type PatienceBounds, patiently } from './patience.ts';

const PUT_MS = 5_000;

export interface JoinFacts {
  readonly role: 'keeper' | 'worker';
  readonly name: string;
  readonly genesis: Uint8Array;
  readonly operator: string;
  readonly environment: string;
  readonly charter: CharterBody;
  /** 65 bytes. */
  readonly hpke: Uint8Array;
  /** SubjectPublicKeyInfo of its TLS key. */
  readonly tls: Uint8Array;
  /** The cosigned checkpoint, as its signed note. */
  readonly checkpoint: string;
  /** What it has folded: the join lands within the next entries, or never. */
  readonly state: FoldState;
  /** What a worker joins. */
  readonly of?: {
    readonly task: Uint8Array;
    readonly run: Uint8Array;
    /** Its proposer's, for this operator. */
    readonly ticket: Uint8Array;
  };
}

export interface JoinPorts {
  readonly attester: Attester;
  readonly crypto: CryptoPort;
  /** Signs the join, and is bound by the evidence. */
  readonly signer: Signer;
}

/** A join as it goes on the ledger, its id, and the evidence that it names. */
export interface MadeJoin {
  readonly event: Uint8Array;
  readonly evidence: Uint8Array;
  readonly id: Uint8Array;
}

/**
 * @throws CodedError `environment-mismatch`, `blob-too-large`; the attester's and the operator's
 *   refusals
 */
export async function makeJoin(facts: JoinFacts, ports: JoinPorts): Promise<MadeJoin> {
  checkPlace(facts, ports);
  const { attester, crypto, signer } = ports;
  const { role, genesis, operator, environment, charter, hpke, tls } = facts;
  const said = {
    role,
    operator,
    charter: charter.version,
    environment,
    hardware: attester.hardware,
    measurement: attester.measurement,
    ...facts.of,
    tls: crypto.digest('sha256', tls),
    hpke,
    checkpoint: utf8(facts.checkpoint),
  };
  const input = { genesis, signing: signer.key, join: said };
  const { evidence } = await attester.quote(reportData(input, attester.reportDataLength, crypto));
  const whole = { ...said, evidence: crypto.digest('sha256', evidence) };
  checkLength(whole.evidence, evidence.length);
  const join = placed(facts.state, signer.key, { kind: 'join', said: whole });
  const inner = await signEvent(signer, facts.name, { genesis, kind: 'join', body: join });
  const event = await attester.signJoin(inner);
  return { event, evidence, id: eventId(inner, crypto) };
}

/** Longer evidence is read by nobody, so such a node would join for nothing. */
function checkLength(digest: Uint8Array, got: number): void {
  const most = BLOB_MOST.evidence;
  if (got > most) throw blobTooLarge(digest, { from: 'this attester', got, most });
}

/** Whether the charter has a place for such a node: what it has none for, the ledger holds void. */
export function hasPlace(
  { charter, role, environment: id, operator }: PlaceFacts,
  tee: Attester['tee'],
): boolean {
  const environment = environmentById(charter, id);
  const known = operatorById(charter, operator) !== undefined;
  return known && environment?.role === role && environment.tee === tee;
}

type PlaceFacts = Pick<JoinFacts, 'charter' | 'role' | 'environment' | 'operator'>;

function checkPlace(facts: JoinFacts, { attester: { tee } }: JoinPorts): void {
  if (hasPlace(facts, tee)) return;
  const { role, environment: id } = facts;
  const message = `the charter has no ${role} environment '${id}' of ${tee}, or no such operator`;
  throw attestedError('environment-mismatch', message);
}

/**
 * Puts the join on the ledger and the evidence at gateways, until a cosigned head includes the
 * join; answers that head. @throws CodedError `join-void` with its void code
 */
export async function enter(
  appender: Appender,
  { event, evidence }: MadeJoin,
  putting: PatienceBounds & { readonly blobsOf: readonly BlobStore[]; readonly faulty: number },
): Promise<TreeHead> {
  // A gateway takes blobs from nodes that have joined, so the evidence follows the join at once.
  let put: Promise<unknown> | undefined;
  const onAppended = () => {
    put ??= putEvidence(evidence, putting);
    put.catch(() => undefined);
  };
  const head = await appender.bytes('join', event, { onAppended });
  await put;
  return head;
}

/** At more gateways than may lie, so that one that keeps nothing costs nothing. */
function putEvidence(
  evidence: Uint8Array,
  putting: PatienceBounds & { readonly blobsOf: readonly BlobStore[]; readonly faulty: number },
): Promise<boolean> {
  const { timers, blobsOf, faulty } = putting;
  const wanted = Math.min(faulty + 1, blobsOf.length);
  return patiently('gateways for the evidence', putting, async () => {
    const asked = blobsOf.map((blobs) => blobs.put(evidence));
    const enough = (got: readonly unknown[]) => got.length >= wanted;
    const { got, failures } = await gather(asked, { timers, graceMs: 0, boundMs: PUT_MS, enough });
    if (enough(got)) return true;
    const message = `${got.length} of ${wanted} gateways took the evidence`;
    throw attestedError('timed-out', message, { cause: failures[0] });
  });
}
