// SPDX-License-Identifier: Apache-2.0
// Which ledger orders events, and which engines plan code: chosen here, from settings with a kind,
// and nowhere else in a gateway. A new ledger or engine is a package and a line in its table. What
// the gateway keeps for itself, its copy of the order, is on plain files whatever the ledger is.
import { REQUEST_HEADER, signRequest } from '@cloister/api';
import type { Ledger } from '@cloister/contract';
import { byKind, type Planner, type Planners } from '@cloister/contract/policy';
import { issueSentence, systemClock } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { createDuckdbPlanner, exportParquet } from '@cloister/engine-duckdb';
import { HttpLedger } from '@cloister/ledger-log';
import { LogLedger } from '@cloister/log-store';
import type { TreeHead } from '@cloister/tlog';
import { z } from 'zod';
import { gatewayError } from './errors.ts';
import type { AdapterSetting, MemberCard, OrgKeys } from './home.ts';
import type { ConvertResult } from './tasks/results.ts';

/** What a ledger's adapter is told beside its setting. */
export interface LedgerAbout {
  readonly origin: string;
  readonly genesis: Uint8Array;
  readonly card: MemberCard;
  readonly keys: OrgKeys;
  /** What our copy holds: whatever the ledger shows from now on must contain it. */
  readonly held: TreeHead;
  /** How long an append is tried again while the ledger is down, milliseconds. */
  readonly retryMs?: number | undefined;
}

interface Adapter<About, Port> {
  readonly setting: z.ZodType<AdapterSetting>;
  readonly open: (setting: AdapterSetting, about: About) => Port;
}

const LEDGERS: Readonly<Record<string, Adapter<LedgerAbout, Ledger>>> = {
  log: adapter(z.strictObject({ kind: z.literal('log'), url: z.string().url() }), logServer),
};

const PLANNERS: Readonly<Record<string, Adapter<undefined, Planner>>> = {
  duckdb: adapter(z.strictObject({ kind: z.literal('duckdb') }), () => createDuckdbPlanner()),
};

/** The ledger of a setting. @throws CodedError `adapter-unknown`, `home-malformed` */
export function openLedger(setting: AdapterSetting, about: LedgerAbout): Ledger {
  return chosen('ledger', LEDGERS, setting).open(setting, about);
}

/**
 * Planners of engines by kind.
 * @throws CodedError `adapter-unknown`, `home-malformed`, `engine-kind-twice`
 */
export function openPlanners(settings: readonly AdapterSetting[]): Planners {
  return byKind(
    settings.map((setting) => chosen('engine', PLANNERS, setting).open(setting, undefined)),
  );
}

/** This gateway's own copy of the order. @throws CodedError of the store's */
export function openCopy(folder: string, origin: string): Promise<Ledger & { head(): TreeHead }> {
  return LogLedger.open({ folder, origin });
}

const RESULT_LIMITS = {
  memoryBytes: 1024 * 1024 * 1024,
  outBytes: 256 * 1024 * 1024 * 1024,
  timeMs: 1_800_000,
};

/** Results in the format that a recipient wants, whichever engine made them. */
export const convertResult: ConvertResult = (request) => exportParquet(request, RESULT_LIMITS);

function logServer({ url }: { url: string }, about: LedgerAbout): Ledger {
  const { origin, held, retryMs, keys, card, genesis } = about;
  const ports = { crypto: nodeCrypto, clock: systemClock };
  return new HttpLedger({
    url,
    origin,
    ...(held.size === 0 ? {} : { head: held }),
    ...(retryMs === undefined ? {} : { retryMs }),
    async authenticate({ method, path, bodyDigest }) {
      const facts = { genesis, method, path, body: { sha256: bodyDigest } };
      return { [REQUEST_HEADER]: await signRequest(keys.identity, card.id, facts, ports) };
    },
  });
}

function adapter<Setting extends AdapterSetting, About, Port>(
  setting: z.ZodType<Setting>,
  open: (setting: Setting, about: About) => Port,
): Adapter<About, Port> {
  return { setting, open: (given, about) => open(setting.parse(given), about) };
}

function chosen<About, Port>(
  what: 'ledger' | 'engine',
  known: Readonly<Record<string, Adapter<About, Port>>>,
  setting: AdapterSetting,
): Adapter<About, Port> {
  const found = Object.hasOwn(known, setting.kind) ? known[setting.kind] : undefined;
  if (found === undefined) {
    const kinds = Object.keys(known).join(', ');
    const message = `gateway.json: no ${what} is of kind ${setting.kind}; there are: ${kinds}`;
    throw gatewayError('adapter-unknown', message);
  }
  const issue = found.setting.safeParse(setting).error?.issues[0];
  if (issue === undefined) return found;
  const where = [what, ...issue.path].join('.');
  const message = `gateway.json: ${where} ${issueSentence(issue)}`;
  throw gatewayError('home-malformed', message);
}
