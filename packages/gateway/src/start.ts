// SPDX-License-Identifier: Apache-2.0
// Puts a gateway together from its folder and starts it: local copy, witness, ledger, peers,
// planners, HTTP, duties. Stopping undoes all of it in the reverse order, and so does a start that
// fails half way: what it took (the lock of the copy, a port) is free again, and nothing was lost.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayClient, HttpBlobs, HttpJson } from '@cloister/api';
import {
  type CharterBody,
  decodeFoundingCharter,
  type FoldState,
  isRetired,
  JoinAppraiser,
  memberById,
} from '@cloister/contract';
import { equal, fromHex, isSystemError, systemClock, systemRandom } from '@cloister/core';
import { FileBlobs, nodeCrypto } from '@cloister/core/node';
import { logOrigin } from '@cloister/tlog';
import { type Logger, pino } from 'pino';
import { convertResult, openCopy, openLedger, openPlanners } from './adapters.ts';
import { backgroundTimers } from './background-timers.ts';
import { BlobRelay, everywhere } from './blobs/blob-relay.ts';
import { NamedBlobs } from './blobs/named-blobs.ts';
import type { Gateway } from './context.ts';
import { DatasetJobs } from './datasets/jobs.ts';
import { sweep } from './datasets/sweep.ts';
import { Uploads } from './datasets/uploads.ts';
import { Duties } from './duties.ts';
import { gatewayError } from './errors.ts';
import { followAndWitness } from './follow-and-witness.ts';
import {
  CHARTER_FILE,
  type GatewayConfig,
  readAdminToken,
  readGatewayConfig,
  readKeys,
  readOrg,
} from './home.ts';
import { relayedHeaders } from './http/blob-routes.ts';
import { buildServer } from './http/server.ts';
import type { EntryRecord } from './ledger/follower.ts';
import { notesIn } from './ledger/handover-notes.ts';
import { witnessMemoryIn } from './ledger/open-witness.ts';
import { RunBook } from './tasks/runs.ts';
import { vaultIn } from './vault.ts';
import { OwnAppraisals } from './verdicts/own-appraisals.ts';
import { verdictsIn } from './verdicts/verdict-store.ts';

/** How long a task's openings may take to come while it is judged unasked. */
const JUDGING_MS = 10_000;

export interface RunningGateway {
  readonly url: string;
  readonly gateway: Gateway;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** The organisation's folder. */
  readonly home: string;
  readonly log?: Logger;
  /** How long an append is tried again while the ledger is down, milliseconds; 15,000 if absent. */
  readonly ledgerRetryMs?: number;
}

/**
 * Starts the gateway of the organisation in `home`.
 * @throws CodedError `home-missing`, `home-malformed`, `home-permissions`, `adapter-unknown`,
 * `charter-mismatch`, `witness-state-missing`, `gateway-address-taken`, and those of the ledger's
 * copy and the witness
 */
export async function startGateway(options: StartOptions): Promise<RunningGateway> {
  const undo: (() => Promise<unknown>)[] = [];
  const unwind = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return await assemble(options, { undo, unwind });
  } catch (error) {
    await unwind().catch(() => undefined);
    throw error;
  }
}

interface Unwinding {
  /** What is to be undone, in the order in which it was done. */
  readonly undo: (() => Promise<unknown>)[];
  readonly unwind: () => Promise<void>;
}

async function assemble(
  options: StartOptions,
  { undo, unwind }: Unwinding,
): Promise<RunningGateway> {
  const { home } = options;
  const [card, keys, config, token] = await Promise.all([
    readOrg(home),
    readKeys(home),
    readGatewayConfig(home),
    readAdminToken(home),
  ]);
  const log = (options.log ?? pino({ level: 'info' }, pino.destination(2))).child({
    member: card.id,
  });
  const genesis = fromHex(config.genesis);
  const charter = await readCharter(home, genesis);
  const origin = logOrigin(genesis);
  const copy = await openCopy(join(home, 'log'), origin);
  undo.push(() => copy.close());
  const held = copy.head();
  const retryMs = options.ledgerRetryMs;
  const ledger = openLedger(config.ledger, { origin, genesis, card, keys, held, retryMs });
  let folded: FoldState | undefined;
  const named = new NamedBlobs((of) => folded !== undefined && isRetired(folded, of));
  let duties: Duties | undefined;
  const onEntry = (record: EntryRecord, state: FoldState) => {
    folded = state;
    named.add(record);
    appraisals.heard(record, state);
    duties?.heard(record);
  };
  const time = { clock: systemClock, timers: backgroundTimers };
  const ports = { crypto: nodeCrypto, ...time, random: systemRandom, log };
  const peers = peersOf(config);
  const blobs = new FileBlobs(join(home, 'blobs'));
  const fetching = { into: blobs, from: () => blobsOf(peers), ...ports };
  // What strangers ask for takes no turn of what we need ourselves.
  const relay = new BlobRelay(fetching);
  const own = new BlobRelay(fetching);
  const allBlobs = everywhere(blobs, (digest, most) => own.fetch(digest, most));
  const hasty = new BlobRelay({ ...fetching, timeoutMs: JUDGING_MS });
  const prompt = everywhere(blobs, (digest, most) => hasty.fetch(digest, most));
  const planners = openPlanners(config.engines);
  for (const planner of planners.values()) undo.push(() => planner.close());
  const appraiser = new JoinAppraiser({ crypto: nodeCrypto, blobs: allBlobs });
  const judging = { me: card.id, store: verdictsIn(home), appraiser, timers: ports.timers, log };
  const appraisals = await OwnAppraisals.open(judging);
  const ours = { home, card, keys, genesis, ledger, peers, vault: vaultIn(home), ...ports };
  const parts = { ...ours, blobs, allBlobs, planners, appraiser, appraisals };
  const memory = witnessMemoryIn(home);
  const notes = notesIn(home);
  const { gateway, fresh } = await followAndWitness({ ...parts, copy, memory, notes, onEntry });
  const { follower } = gateway;
  await named.lookHere(blobs);
  checkMember(gateway, { founding: charter, later: config.later });
  const hosts = [config.host, ...config.hosts];
  const uploads = new Uploads(home, ports);
  const jobs = await DatasetJobs.open(gateway, uploads);
  const rooms = { relay, named, runs: new RunBook(), uploads, jobs };
  const app = buildServer(gateway, { ...rooms, token, hosts, convert: convertResult });
  undo.push(() => app.close());
  const url = await app.listen({ host: config.host, port: config.port }).catch((cause) => {
    const message = `cannot listen on ${config.host}:${config.port}: is another gateway running?`;
    throw gatewayError('gateway-address-taken', message, { cause });
  });
  const tickMs = config.tickSeconds * 1_000;
  const clean = (now: number) => sweep(home, now, (name) => jobs.uses(name));
  const about = { charter, tickMs, freshWitness: fresh, sweep: clean, prompt };
  const started = new Duties(gateway, about);
  duties = started;
  follower.start();
  started.start();
  appraisals.start(gateway.witness);
  undo.push(async () => {
    appraisals.stop();
    // First what ends waiting: a duty or a request may wait for the ledger.
    const done = Promise.all([started.stop(), jobs.stop()]);
    await follower.stop();
    await ledger.close();
    await done;
  });
  log.info({ url, size: follower.size }, 'gateway listening');
  return {
    url,
    gateway,
    async stop() {
      await unwind();
      log.info('gateway stopped');
    },
  };
}

async function readCharter(home: string, genesis: Uint8Array): Promise<CharterBody> {
  const path = join(home, CHARTER_FILE);
  const bytes = await readFile(path).catch((cause: unknown) => {
    if (!isSystemError(cause)) throw cause;
    const message = `${path} is missing: put the charter there (cloister gateway init)`;
    throw gatewayError('home-missing', message, { cause });
  });
  return decodeFoundingCharter(bytes, genesis, nodeCrypto);
}

/**
 * A founder's keys are those of the first charter, until one is in force here. After that a member
 * may be named with other keys, later, or not any more: it follows all the same.
 */
function checkMember(
  { card, follower, log }: Gateway,
  { founding, later }: { founding: CharterBody; later: boolean },
): void {
  const inForce = follower.state.charter;
  const mine = memberById(inForce ?? founding, card.id);
  const same =
    mine !== undefined &&
    equal(mine.identity, fromHex(card.identity)) &&
    equal(mine.witness, fromHex(card.witness)) &&
    equal(mine.hpke, fromHex(card.hpke));
  if (same) return;
  const message = `the charter does not name ${card.id} with the keys of this folder`;
  if (inForce === null && !later) {
    throw gatewayError('charter-mismatch', message);
  }
  log.warn({ version: (inForce ?? founding).version }, message);
}

function peersOf(config: GatewayConfig): Map<string, GatewayClient> {
  return new Map(
    Object.entries(config.peers).map(([id, base]) => [
      id,
      new GatewayClient(new HttpJson({ base })),
    ]),
  );
}

/** The other gateways' blobs; a request among gateways is not passed on. */
function blobsOf(peers: ReadonlyMap<string, GatewayClient>): HttpBlobs {
  const others = [...peers.values()].map(
    ({ http }) => new HttpJson({ base: http.base, headers: relayedHeaders }),
  );
  return new HttpBlobs(others, nodeCrypto);
}
