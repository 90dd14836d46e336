// SPDX-License-Identifier: Apache-2.0
// The identity of one run: keys made inside, evidence over them, and the join on the ledger. Fresh
// for each run, so that what one run's key opened is worth nothing to the next.

import { gather, patiently, type TlsKey } from '@cloister/attested';
import { type EventBody, eventId, reportData, signEvent } from '@cloister/contract';
import { type Signer, toHex, utf8 } from '@cloister/core';
import { generateHpkeKeyPair, type HpkeKeyPair } from '@cloister/threshold/node';
import type { TreeHead } from '@cloister/tlog';
import { appendUntilLanded } from './append.ts';
import { workerError } from './errors.ts';
import { witnessRule } from './freshness.ts';
import type { Links, WorkerPorts } from './ports.ts';

const PUT_MS = 5_000;

/** A run that has joined: who it is, and signed ways to the gateways. */
export interface RunIdentity extends Links {
  readonly task: Uint8Array;
  readonly run: Uint8Array;
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  /** For channels to this run: bound by its evidence, wiped with the run. */
  readonly tls: TlsKey;
}

export function newIdentity(ports: WorkerPorts, task: Uint8Array, run: Uint8Array): RunIdentity {
  const signer = ports.keys.signer();
  const hpke = generateHpkeKeyPair(ports.random);
  return { task, run, signer, hpke, tls: ports.keys.tls(), ...ports.links(signer) };
}

/** Evidence over the run's keys, bound to charter, task, run and checkpoint. */
export async function attest(
  ports: WorkerPorts,
  identity: RunIdentity,
): Promise<{ join: EventBody<'join'>; evidence: Uint8Array }> {
  const { attester, follower, config, genesis, crypto, timers } = ports;
  const { patienceMs } = config;
  const note = await patiently('a cosigned checkpoint', { timers, patienceMs }, async () => {
    await follower.step();
    return follower.note;
  });
  const unproved: Omit<EventBody<'join'>, 'evidence'> = {
    role: 'worker',
    operator: config.operator,
    charter: follower.charter.version,
    environment: config.environment,
    hardware: attester.hardware,
    task: identity.task,
    run: identity.run,
    tls: crypto.digest('sha256', identity.tls.spki),
    hpke: identity.hpke.publicKey,
    checkpoint: utf8(note),
  };
  const { hardware: _, ...bound } = unproved;
  const data = reportData(
    { genesis, signing: identity.signer.key, join: bound },
    attester.reportDataLength,
    crypto,
  );
  const { evidence } = await attester.quote(data);
  return { join: { ...unproved, evidence: crypto.digest('sha256', evidence) }, evidence };
}

/**
 * Puts the join on the ledger, countersigned by the operator, and the evidence at gateways, until a
 * cosigned head includes the join; answers its id and that head.
 * @throws CodedError `join-void` with its void code
 */
export async function joinTask(
  ports: WorkerPorts,
  identity: RunIdentity,
  attested: { join: EventBody<'join'>; evidence: Uint8Array },
): Promise<{ join: Uint8Array; head: TreeHead }> {
  const { attester, follower, config, genesis, crypto } = ports;
  const event = { genesis, kind: 'join', body: attested.join } as const;
  const inner = await signEvent(identity.signer, config.name, event);
  const bytes = await attester.signJoin(inner);
  const join = eventId(inner, crypto);
  const landed = () => follower.state.joins.has(toHex(join));
  // A gateway takes blobs from nodes that have joined, so the evidence follows the join at once.
  let putting: Promise<unknown> | undefined;
  const onAppended = () => {
    putting ??= putEvidence(ports, identity, attested.evidence);
    putting.catch(() => undefined);
  };
  const rule = witnessRule(ports);
  const append = { bytes, what: 'join', landed, rule, onAppended };
  const head = await appendUntilLanded(ports, identity, append);
  await putting;
  return { join, head };
}

/** At more gateways than may lie, so that one that keeps nothing costs nothing. */
function putEvidence(
  ports: WorkerPorts,
  identity: RunIdentity,
  evidence: Uint8Array,
): Promise<boolean> {
  const { faulty } = ports.follower.charter.witnesses;
  const wanted = Math.min(faulty + 1, identity.blobsOf.length);
  const { timers } = ports;
  const { patienceMs } = ports.config;
  return patiently('gateways for the evidence', { timers, patienceMs }, async () => {
    const asked = identity.blobsOf.map((blobs) => blobs.put(evidence));
    const bounds = { timers, graceMs: 0, boundMs: PUT_MS };
    const enough = (got: readonly unknown[]) => got.length >= wanted;
    const { got, failures } = await gather(asked, { ...bounds, enough });
    if (enough(got)) return true;
    const message = `${got.length} of ${wanted} gateways took the evidence`;
    throw workerError('timed-out', 'unavailable', message, { cause: failures[0] });
  });
}
