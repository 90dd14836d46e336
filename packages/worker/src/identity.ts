// SPDX-License-Identifier: Apache-2.0
// The identity of one run: keys made inside, evidence over them, and the join on the ledger. Fresh
// for each run, so that what one run's key opened is worth nothing to the next.
import {
  Appender,
  enter,
  type MadeJoin,
  makeJoin,
  patiently,
  type TlsKey,
} from '@cloister/attested';
import type { Signer } from '@cloister/core';
import { generateHpkeKeyPair, type HpkeKeyPair } from '@cloister/threshold/node';
import type { TreeHead } from '@cloister/tlog';
import type { Links, WorkerPorts } from './ports.ts';

/** What a proposer asks for, and the ticket that says so. */
export interface AskedRun {
  readonly task: Uint8Array;
  /** 16 bytes. */
  readonly run: Uint8Array;
  readonly ticket: Uint8Array;
}

/** Who a run is, signed ways to the gateways, and its own word on the ledger. */
export interface RunIdentity extends Links, AskedRun {
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  /** For channels to this run: bound by its evidence, wiped with the run. */
  readonly tls: TlsKey;
  readonly appender: Appender;
}

export function newIdentity(ports: WorkerPorts, asked: AskedRun): RunIdentity {
  const signer = ports.keys.signer();
  const hpke = generateHpkeKeyPair(ports.random);
  const links = ports.links(signer);
  const { name, patienceMs } = ports.config;
  const appender = new Appender(ports, { name, signer, peers: links.gateways, patienceMs });
  return { ...asked, signer, hpke, tls: ports.keys.tls(), appender, ...links };
}

/** Evidence over the run's keys, bound to charter, task, run and checkpoint; the join with it. */
export async function attest(ports: WorkerPorts, identity: RunIdentity): Promise<MadeJoin> {
  const { follower, config, genesis, timers } = ports;
  const { name, operator, environment, patienceMs } = config;
  const { hpke, tls, signer, task, run, ticket } = identity;
  const checkpoint = await patiently('a cosigned checkpoint', { timers, patienceMs }, async () => {
    await follower.step();
    return follower.note;
  });
  const about = { role: 'worker', name, genesis, operator, environment } as const;
  const { charter, state } = follower;
  const keys = { hpke: hpke.publicKey, tls: tls.spki };
  const facts = { ...about, charter, state, ...keys, checkpoint, of: { task, run, ticket } };
  return makeJoin(facts, { ...ports, signer });
}

/** Puts the join on the ledger. @throws CodedError `join-void` with its void code */
export function joinTask(
  { config, follower, timers }: WorkerPorts,
  { appender, blobsOf }: RunIdentity,
  made: MadeJoin,
): Promise<TreeHead> {
  const { patienceMs } = config;
  const { faulty } = follower.charter.witnesses;
  return enter(appender, made, { timers, patienceMs, blobsOf, faulty });
}
