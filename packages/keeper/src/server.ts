// SPDX-License-Identifier: Apache-2.0
// A keeper's HTTP API.
//
//   GET  /healthz        where it stands
//   GET  /metrics        Prometheus text
//   POST /v1/challenge   {join, keeper, nonce}                 -> {challenge, lifetimeMs}
//   POST /v1/open        {join, keeper, freshness, openings}   -> {epoch, seat, sealed}
//   POST /v1/prove       {join, keeper}                        -> {epoch, seat, proof}
//
// Invariants: each POST is signed by the signing key of the join it names, for the keeper that it
// names, so nobody else can spend its challenges or put refusals under its name; what is bounded is
// in attested's http-server.ts.
import { challengeRequest, openRequest, proveRequest } from '@cloister/api';
import {
  type Call,
  type HttpServer,
  type Log,
  type Routes,
  serveHttp,
  signedBody,
} from '@cloister/attested';
import { type Clock, type CryptoPort, fromBase64, fromHex, toBase64, toHex } from '@cloister/core';
import type { z } from 'zod';
import { assertAsked } from './asked.ts';
import type { Keeper } from './keeper.ts';

const MAX_BODY_BYTES = 16 * 1_048_576;

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly genesis: Uint8Array;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly log: Log;
}

/** Serves `keeper`. @throws the listen error when the address cannot be had */
export function serveKeeper(keeper: Keeper, options: ServerOptions): Promise<HttpServer> {
  const { host, port, log } = options;
  const served = (path: string, status: number) => {
    keeper.metrics.count('cloister_keeper_requests_total', { path, status: String(status) });
  };
  const routes = routesOf(keeper, options);
  return serveHttp({ host, port, routes, maxBodyBytes: MAX_BODY_BYTES, log, served });
}

function routesOf(keeper: Keeper, options: ServerOptions): Routes {
  return {
    'GET /healthz': () => health(keeper, options),
    'GET /metrics': () => keeper.metrics.text(),
    'POST /v1/challenge': async (call) => {
      const { join, nonce } = await authenticated(challengeRequest, keeper, options, call);
      const { challenge, lifetimeMs } = keeper.challenge(fromHex(join), fromHex(nonce));
      return { challenge: toHex(challenge), lifetimeMs };
    },
    'POST /v1/open': async (call) => {
      const asked = await authenticated(openRequest, keeper, options, call);
      const { freshness } = asked;
      const openings = fromBase64(asked.openings);
      const answer = await keeper.open({ join: fromHex(asked.join), freshness, openings });
      return { epoch: toHex(answer.epoch), seat: answer.seat, sealed: toBase64(answer.sealed) };
    },
    'POST /v1/prove': async (call) => {
      const { join } = await authenticated(proveRequest, keeper, options, call);
      const answer = keeper.prove(fromHex(join));
      return { epoch: toHex(answer.epoch), seat: answer.seat, proof: toBase64(answer.proof) };
    },
  };
}

function health(keeper: Keeper, { name, genesis }: ServerOptions) {
  return {
    ok: keeper.state !== 'starting' && keeper.state !== 'stopping',
    role: 'keeper',
    name,
    genesis: toHex(genesis),
    size: keeper.follower.size,
    simulated: keeper.follower.charter.simulated,
    state: keeper.state,
    join: keeper.join === undefined ? null : toHex(keeper.join),
    seat: keeper.seat?.seat ?? null,
    epoch: keeper.seat === undefined ? null : toHex(keeper.seat.epoch),
  };
}

/** The parsed body, once it is for this keeper and signed by the join that it names. */
async function authenticated<T extends z.ZodType<{ join: string; keeper: string }>>(
  schema: T,
  keeper: Keeper,
  options: ServerOptions,
  call: Call,
): Promise<z.output<T>> {
  const { caller, asked } = await signedBody(call, schema, options);
  const about = { join: fromHex(asked.join), keeper: fromHex(asked.keeper) };
  await assertAsked(keeper, about, caller);
  return asked;
}
