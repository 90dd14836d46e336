// SPDX-License-Identifier: Apache-2.0
// Charters, looked at with the whole truth: each in force is one that as many members wanted as
// must; what has left counts for nothing; a node runs where its data's owner has agreed.
import { type AnyEvent, type CharterBody, charterDigest, type Outcome } from '@cloister/contract';
import { equal, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { Stage } from './stage.ts';

export class CharterChecks {
  readonly #stage: Stage;
  /** Charters by the ledger's size from which on they are in force, oldest first. */
  readonly #inForce: { readonly from: number; readonly body: CharterBody }[];
  /** Keys of members, witnesses and operators that have left. */
  readonly #left = new Set<string>();

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#inForce = [{ from: 0, body: stage.world.charter }];
  }

  /** Answers the joins whose place is in the charter no more since this entry. */
  ordered(event: AnyEvent, outcome: Outcome): string[] {
    this.#said(event, outcome);
    const { world } = this.#stage;
    const now = world.inForce;
    const before = this.#inForce.at(-1)?.body as CharterBody;
    if (now === before || now.version === before.version) return [];
    const digest = toHex(charterDigest(now, nodeCrypto));
    if (!this.#stage.wantedCharters.has(digest)) {
      this.#stage.violate('a minority changed the charter');
    }
    this.#inForce.push({ from: outcome.seq + 1, body: now });
    const keys = new Set(keysOf(now));
    for (const key of keysOf(before)) if (!keys.has(key)) this.#left.add(key);
    return [...world.state.joins].flatMap(([key, { body }]) => (has(now, body) ? [] : [key]));
  }

  /** Witnesses that count at this size of the ledger, by name. */
  witnessesAt(size: number): Set<string> {
    const { body } = this.#inForce.findLast(({ from }) => from <= size) ?? {};
    return new Set(body?.members.map(({ id }) => id));
  }

  /** "Nobody's data becomes reachable by what a charter gained unless its owner has signed." */
  unagreed(signer: Uint8Array): string | undefined {
    if (!this.#stage.unagreed.has(toHex(signer))) return undefined;
    return 'it runs where the owner of the data never agreed that any may';
  }

  /** Nor is the key of that data dealt to a seat that its owner has not signed for. */
  dealt(epoch: Uint8Array): void {
    if (!this.#stage.unagreedEpochs.has(toHex(epoch))) return;
    this.#stage.violate('a share was dealt where the owner of the data never agreed that any may');
  }

  #said(event: AnyEvent, { status }: Outcome): void {
    if (status === 'void') return;
    const by = [event.signer, ...('operator' in event && event.operator ? [event.operator] : [])];
    if (!by.some((key) => this.#left.has(toHex(key)))) return;
    this.#stage.violate(`who has left the charter still counts: ${event.kind}`);
  }
}

function keysOf({ members, operators }: CharterBody): string[] {
  const keys = members.flatMap(({ identity, witness }) => [identity, witness]);
  return [...keys, ...operators.map(({ key }) => key)].map(toHex);
}

/** Whether a charter has a place for a node. */
function has(
  { operators, environments }: CharterBody,
  node: { operator: string; environment: string; hardware: Uint8Array; measurement: Uint8Array },
): boolean {
  const machines = operators.find(({ id }) => id === node.operator)?.hardware ?? [];
  const programs = environments.find(({ id }) => id === node.environment)?.measurements ?? [];
  return (
    machines.some(({ id }) => equal(id, node.hardware)) &&
    programs.some(({ measurement }) => equal(measurement, node.measurement))
  );
}
