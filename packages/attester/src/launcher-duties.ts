// SPDX-License-Identifier: Apache-2.0
// What a launcher does for its node, and what it refuses. It quotes report data of the kind's
// length. It countersigns a join only after checking everything that it can know of it: the node's
// own signature, the genesis, role, operator, environment and hardware that it was started for, and
// that the evidence named is one it made over exactly this join's report data.

import {
  countersignJoin,
  EVENT_VERSION,
  type EventBody,
  joinBody,
  reportData,
} from '@cloister/contract';
import {
  type Cbor,
  decodeCbor,
  equal,
  firstIssue,
  type Signer,
  toHex,
  verifyCose,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { Handler } from './channel.ts';
import { attesterError } from './errors.ts';
import type { Hardware } from './hardware.ts';
import type { NodeRole } from './measure/manifest.ts';

/** The quotes of a node that are remembered, oldest forgotten first. */
const MAX_QUOTES = 1_000;

export interface Duties {
  readonly hardware: Hardware;
  readonly role: NodeRole;
  readonly operator: { readonly id: string; readonly signer: Signer };
  readonly genesis: Uint8Array;
  readonly environment: string;
}

/** The methods that a node may ask of its launcher. */
export function launcherHandlers(duties: Duties): Record<'quote' | 'sign-join', Handler> {
  /** Evidence digest to the report data that it was made over. */
  const quoted = new Map<string, Uint8Array>();
  return {
    quote: async (body: Cbor) => {
      const { hardware } = duties;
      if (!(body instanceof Uint8Array) || body.length !== hardware.reportDataLength) {
        const message = `report data of ${hardware.tee} has ${hardware.reportDataLength} bytes`;
        throw attesterError('quote-refused', message);
      }
      const evidence = await hardware.quote(body);
      quoted.set(toHex(nodeCrypto.digest('sha256', evidence)), body.slice());
      if (quoted.size > MAX_QUOTES) quoted.delete(quoted.keys().next().value as string);
      return evidence;
    },
    'sign-join': async (body: Cbor) => {
      if (!(body instanceof Uint8Array)) throw refuse('a join is bytes');
      await checkJoin(duties, quoted, body);
      return countersignJoin(duties.operator.signer, duties.operator.id, body);
    },
  };
}

async function checkJoin(
  duties: Duties,
  quoted: ReadonlyMap<string, Uint8Array>,
  bytes: Uint8Array,
): Promise<void> {
  const cose = await verifyCose(nodeCrypto, bytes);
  const join = readJoin(cose.payload, duties.genesis);
  if (cose.claims.sub !== 'join') throw refuse(`the subject is '${cose.claims.sub}', not 'join'`);
  if (join.role !== duties.role) throw refuse(`role ${join.role}, started as ${duties.role}`);
  if (join.operator !== duties.operator.id) {
    throw refuse(`operator ${join.operator}, started by ${duties.operator.id}`);
  }
  if (join.environment !== duties.environment) {
    throw refuse(`environment ${join.environment}, started in ${duties.environment}`);
  }
  if (!equal(join.hardware, duties.hardware.hardware)) throw refuse('another hardware identity');
  const over = quoted.get(toHex(join.evidence));
  if (over === undefined) throw refuse('evidence that this launcher did not make');
  const input = { genesis: duties.genesis, signing: cose.kid, join };
  const wanted = reportData(input, duties.hardware.reportDataLength, nodeCrypto);
  if (!equal(over, wanted)) throw refuse('evidence over the report data of another join');
}

function readJoin(payload: Uint8Array, genesis: Uint8Array): EventBody<'join'> {
  const parts = decodeCbor(payload);
  if (!Array.isArray(parts) || parts.length !== 4) throw refuse('not an event');
  const [version, named, kind, body] = parts as unknown[];
  if (version !== EVENT_VERSION || kind !== 'join') throw refuse('not a join');
  if (!(named instanceof Uint8Array) || !equal(named, genesis)) throw refuse('another genesis');
  const parsed = joinBody.safeParse(body);
  if (!parsed.success) throw refuse(firstIssue(parsed.error).says);
  return parsed.data;
}

function refuse(what: string) {
  return attesterError('join-refused', `the operator does not sign this join: ${what}`);
}
