// SPDX-License-Identifier: Apache-2.0
// How a keeper enters: evidence over its keys and the checkpoint it began from, a join signed by
// its own key, and the operator's countersignature around it (spec/events.md, "join").
import {
  type CharterBody,
  type EventBody,
  eventId,
  reportData,
  signEvent,
} from '@cloister/contract';
import { utf8 } from '@cloister/core';
import { keeperError } from './errors.ts';
import type { KeeperPorts } from './ports.ts';

export interface JoinFacts {
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
}

/** @throws CodedError `environment-mismatch` when the charter has no place for such a keeper */
export function checkPlace(facts: JoinFacts, ports: Pick<KeeperPorts, 'attester'>): void {
  const { charter, environment: id, operator } = facts;
  const { tee } = ports.attester;
  const environment = charter.environments.find((e) => e.id === id);
  const known = charter.operators.some((o) => o.id === operator);
  if (known && environment?.role === 'keeper' && environment.tee === tee) return;
  const message = `the charter has no keeper environment '${id}' of ${tee}, or no such operator`;
  throw keeperError('environment-mismatch', 'policy', message);
}

/** The join as it goes on the ledger, its id, and the evidence that it names. */
export async function makeJoin(
  facts: JoinFacts,
  ports: Pick<KeeperPorts, 'attester' | 'crypto' | 'signer'>,
): Promise<{ event: Uint8Array; evidence: Uint8Array; id: Uint8Array }> {
  const { attester, crypto, signer } = ports;
  const { genesis, operator, environment, charter, hpke, tls } = facts;
  const body: Omit<EventBody<'join'>, 'evidence'> = {
    role: 'keeper',
    operator,
    charter: charter.version,
    environment,
    hardware: attester.hardware,
    tls: crypto.digest('sha256', tls),
    hpke,
    checkpoint: utf8(facts.checkpoint),
  };
  const input = { genesis, signing: signer.key, join: body };
  const { evidence } = await attester.quote(reportData(input, attester.reportDataLength, crypto));
  const join = { ...body, evidence: crypto.digest('sha256', evidence) };
  const inner = await signEvent(signer, facts.name, { genesis, kind: 'join', body: join });
  const event = await attester.signJoin(inner);
  return { event, evidence, id: eventId(inner, crypto) };
}
