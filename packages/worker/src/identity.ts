// SPDX-License-Identifier: Apache-2.0
// The identity of one run: keys made inside, evidence over them, and the join on the ledger. Fresh
// for each run, so that what one run's key opened is worth nothing to the next.
import { generateKeyPairSync } from 'node:crypto';
import { GatewayClient, HttpBlobs, HttpJson } from '@cloister/api';
import { type EventBody, type EventKind, reportData, signEvent } from '@cloister/contract';
import { type BlobStore, parseCose, type Signer, toHex, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer } from '@cloister/core/node';
import { generateHpkeKeyPair, type HpkeKeyPair } from '@cloister/threshold/node';
import { workerError } from './errors.ts';
import type { WorkerPorts } from './ports.ts';
import { patiently } from './wait.ts';

/** A run that has joined: who it is, and signed ways to the gateways. */
export interface RunIdentity {
  readonly task: Uint8Array;
  readonly run: Uint8Array;
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  readonly gateways: readonly GatewayClient[];
  readonly blobs: BlobStore;
  /** Http of each gateway and keeper with requests signed by this run's key. */
  client(base: string): HttpJson;
}

export function newIdentity(ports: WorkerPorts, task: Uint8Array, run: Uint8Array): RunIdentity {
  const signer = ephemeralEd25519Signer();
  const { genesis, crypto, clock, config } = ports;
  const sign = { signer, issuer: config.name, genesis, crypto, clock };
  const client = (base: string) => new HttpJson({ base, sign });
  const https = config.gateways.map(client);
  return {
    task,
    run,
    signer,
    hpke: generateHpkeKeyPair(ports.random),
    gateways: https.map((http) => new GatewayClient(http)),
    blobs: new HttpBlobs(https, crypto),
    client,
  };
}

/** Evidence over the run's keys, bound to charter, task, run and checkpoint. */
export async function attest(
  ports: WorkerPorts,
  identity: RunIdentity,
): Promise<{ join: EventBody<'join'>; evidence: Uint8Array }> {
  const { attester, follower, config, genesis, crypto } = ports;
  await patiently('a cosigned checkpoint', config.patienceMs, async () => {
    await follower.step();
    return follower.note;
  });
  const tls = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
  const unproved: Omit<EventBody<'join'>, 'evidence'> = {
    role: 'worker',
    operator: config.operator,
    charter: follower.charter.version,
    environment: config.environment,
    hardware: attester.hardware,
    task: identity.task,
    run: identity.run,
    tls: crypto.digest('sha256', new Uint8Array(tls)),
    hpke: identity.hpke.publicKey,
    checkpoint: utf8(follower.note as string),
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
 * Puts the join on the ledger, countersigned by the operator, then the evidence at a gateway, and
 * waits until a cosigned checkpoint includes it. @throws CodedError `join-void` with its void code
 */
export async function joinTask(
  ports: WorkerPorts,
  identity: RunIdentity,
  attested: { join: EventBody<'join'>; evidence: Uint8Array },
): Promise<Uint8Array> {
  const { attester, follower, config, genesis, crypto } = ports;
  const event = { genesis, kind: 'join', body: attested.join } as const;
  const inner = await signEvent(identity.signer, config.name, event);
  const outer = await attester.signJoin(inner);
  const id = crypto.digest('sha256', parseCose(outer).sigStructure);
  const answer = await appendEvent(identity, outer, config.patienceMs);
  if (answer.status === 'void') {
    const details = { code: answer.code ?? 'unknown' };
    const message = `the ledger has the join as void (${answer.code}): ${answer.sentence ?? ''}`;
    throw workerError('join-void', 'policy', message, { details });
  }
  await patiently('a gateway for the evidence', config.patienceMs, () =>
    identity.blobs.put(attested.evidence),
  );
  await patiently('the join on a cosigned checkpoint', config.patienceMs, async () => {
    await follower.step();
    return follower.state.joins.has(toHex(id)) ? true : undefined;
  });
  return id;
}

/** Signs an event with the run's key and appends it through the first gateway that takes it. */
export async function publish<K extends EventKind>(
  ports: WorkerPorts,
  identity: RunIdentity,
  event: { kind: K; body: EventBody<K> },
): Promise<number> {
  const { genesis, config } = ports;
  const bytes = await signEvent(identity.signer, config.name, { genesis, ...event });
  const answer = await appendEvent(identity, bytes, config.patienceMs);
  if (answer.status === 'accepted') return answer.seq;
  const details = { code: answer.code ?? 'unknown' };
  const message = `the ledger has the ${event.kind} as void (${answer.code}): ${answer.sentence ?? ''}`;
  throw workerError('event-void', 'policy', message, { details });
}

function appendEvent(identity: RunIdentity, bytes: Uint8Array, patienceMs: number) {
  let next = 0;
  return patiently('a gateway that appends', patienceMs, () => {
    const gateway = identity.gateways[next++ % identity.gateways.length] as GatewayClient;
    return gateway.append(bytes);
  });
}
