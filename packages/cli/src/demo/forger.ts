// SPDX-License-Identifier: Apache-2.0
// An operator that lies: asked for a run, it joins with rubbish for evidence, asks no keeper,
// writes what it likes, and records it with receipts of its own making. The bank plays it.
import { type AppendAnswer, GatewayClient, HttpJson } from '@cloister/api';
import {
  columnsDigest,
  countersignJoin,
  type EventBody,
  eventId,
  signEvent,
  signReceipt,
  signRunTicket,
} from '@cloister/contract';
import { fromHex, type Signer, systemRandom, toHex, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { readKeys, readOperator, readOperatorSigner } from '@cloister/gateway/home';
import { environmentId } from '../charter-file.ts';
import { cardPath, readCard } from '../hardware.ts';
import { WORKER_MAKE } from './cast.ts';
import { somePoint } from './some-point.ts';
import type { World } from './world.ts';

/** Ledger entries that join and record may take to land. */
const LANDING = 1_000;
const TICKET_MS = 600_000;

interface Asked {
  readonly task: Uint8Array;
  readonly run: Uint8Array;
}

/** Tries it over an approved task; answers the run, and what the ledger made of the record. */
export async function forgeResult(
  world: World,
  task: string,
): Promise<{ run: string; answer: AppendAnswer }> {
  const { homes, gateways, charter } = world;
  const { genesis } = charter;
  const gateway = new GatewayClient(new HttpJson({ base: gateways.at(-1) as string }));
  const asked = { task: fromHex(task), run: systemRandom.bytes(16) };
  const signer = ephemeralEd25519Signer();
  const operator = await readOperator(homes.bank);
  const body = await joinBody(world, { asked, operator: operator.id, gateway });
  const inner = await signEvent(signer, 'forger', { genesis, kind: 'join', body });
  const launcher = await readOperatorSigner(homes.bank);
  await gateway.append(await countersignJoin(launcher, operator.id, inner));
  const join = eventId(inner, nodeCrypto);
  const answer = await gateway.append(await record(world, { asked, join, signer, body }));
  return { run: toHex(asked.run), answer };
}

async function joinBody(
  { homes, charter }: World,
  of: { asked: Asked; operator: string; gateway: GatewayClient },
): Promise<EventBody<'join'>> {
  const { asked, operator, gateway } = of;
  const { size, note } = await gateway.checkpoint();
  const card = await readCard(cardPath(homes.bank, WORKER_MAKE));
  const { identity } = await readKeys(homes.insurer);
  const ticket = { ...asked, operator, until: Date.now() + TICKET_MS };
  const environment = environmentId(card, 'worker');
  const known = charter.body.environments.find(({ id }) => id === environment);
  return {
    ...asked,
    role: 'worker',
    operator,
    charter: charter.body.version,
    environment,
    hardware: fromHex(card.id),
    measurement: known?.measurements[0]?.measurement ?? new Uint8Array(32),
    ticket: await signRunTicket(identity, 'insurer', { genesis: charter.genesis, ticket }),
    tls: systemRandom.bytes(32),
    hpke: somePoint(),
    evidence: systemRandom.bytes(32),
    checkpoint: utf8(note),
    within: size + LANDING,
  };
}

/** A usage record that says what it likes, and receipts by the forger for every seat. */
async function record(
  { admins, charter }: World,
  of: { asked: Asked; join: Uint8Array; signer: Signer; body: EventBody<'join'> },
): Promise<Uint8Array> {
  const { asked, join, signer, body } = of;
  const { genesis } = charter;
  const { epoch, ledger } = await admins.bank.status();
  const about = { ...asked, epoch: fromHex(epoch?.id ?? '') };
  const read = (await admins.bank.task(toHex(asked.task))).inputs;
  const inputs = read.map(({ dataset, version }) => {
    return { dataset: fromHex(dataset), version, columns: [], rows: 6_000, bytes: 96_000 };
  });
  const columns = columnsDigest(inputs, nodeCrypto);
  const judged = { roster: [join], columns, parts: [], size: ledger.size };
  const receipts = (epoch?.seats ?? []).map(({ seat }) => {
    return signReceipt(signer, 'forger', { genesis, receipt: { ...about, ...judged, seat } });
  });
  const usage: EventBody<'usage'> = {
    ...about,
    join,
    inputs,
    result: systemRandom.bytes(32),
    cage: 'process',
    measures: systemRandom.bytes(32),
    classes: { rowsOut: 4, bytesOut: 10, milliseconds: 8, peakMemoryBytes: 24 },
    openings: systemRandom.bytes(200),
    receipts: await Promise.all(receipts),
    within: body.within,
  };
  return signEvent(signer, 'forger', { genesis, kind: 'usage', body: usage });
}
