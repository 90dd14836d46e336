// SPDX-License-Identifier: Apache-2.0
// The admin API: everything the organisation itself does with its gateway. One bearer token, kept
// in the organisation's folder, opens it; it is compared in constant time. A browser that shows
// another site's page gets no answer: the Host must be one of ours and an Origin that of the Host.
import {
  amendRequest,
  approveRequest,
  charterSignRequest,
  closeRequest,
  declineRequest,
  epochRequest,
  resultFormat,
  rotationRequest,
  startRunRequest,
  taskRequest,
} from '@cloister/api';
import {
  type CodedError,
  equal,
  fromBase64,
  fromHex,
  requestError,
  toHex,
  utf8,
} from '@cloister/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  amendmentFileOf,
  charterView,
  forwardSignature,
  lookAt,
  openAmendment,
  proposeAmendment,
  signAmendment,
} from '../charter/amendments.ts';
import { type Gateway, publishAccepted } from '../context.ts';
import { resealing } from '../datasets/resealing.ts';
import { publishCollateral } from '../keepers/collateral.ts';
import { consentTo, openProposals } from '../keepers/consent.ts';
import { attemptOf, formEpoch, listKeepers } from '../keepers/keepers.ts';
import { planRotation } from '../keepers/rotation-plan.ts';
import { recordedAnswer } from '../ledger/recorded.ts';
import { billsOf } from '../tasks/bills.ts';
import { type ConvertResult, describeResult, listResult, openResult } from '../tasks/results.ts';
import type { RunBook } from '../tasks/runs.ts';
import { approveTask, checkTask, declineTask, proposeTask } from '../tasks/tasks.ts';
import { eventsPage, listTasks, statusOf, taskView, verifyLedger } from '../tasks/views.ts';
import { type DatasetRoutesOptions, datasetRoutes } from './dataset-routes.ts';
import { bytesOf, parseBody, parseQuery, pollQuery } from './parse.ts';

const MAX_CHARTER_BYTES = 1024 * 1024;
const MAX_COLLATERAL_BYTES = 4 * 1024 * 1024;

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), 'wanted an id in hexadecimal');
const natural = z.coerce.number().int().min(0);
const eventsQuery = z.object({ from: natural.default(0), limit: natural.max(1_000).default(200) });
const billQuery = z.object({ task: hex(32).optional() });
const resultQuery = z.object({
  format: resultFormat.default('csv'),
  statement: z.coerce.number().int().min(1).optional(),
});

export interface AdminRoutesOptions extends DatasetRoutesOptions {
  readonly token: string;
  /** Host names under which this gateway is called, besides loopback. */
  readonly hosts: readonly string[];
  readonly runs: RunBook;
  readonly convert: ConvertResult;
}

/** Adds /admin/v1/... to `app`. */
export function adminRoutes(
  app: FastifyInstance,
  gateway: Gateway,
  options: AdminRoutesOptions,
): void {
  const digestOf = (text: string) => gateway.crypto.digest('sha256', utf8(text));
  const wanted = digestOf(`Bearer ${options.token}`);
  app.addHook('onRequest', async (request) => {
    if (!(request.routeOptions.url ?? request.url).startsWith('/admin/')) return;
    refuseStrangeBrowser(request, options.hosts);
    if (equal(digestOf(request.headers.authorization ?? ''), wanted)) return;
    const message = "the admin API wants the token in the organisation's folder";
    throw requestError('request-unauthenticated', message);
  });
  datasetRoutes(app, gateway, options);
  taskRoutes(app, gateway, options);
  ledgerRoutes(app, gateway);
}

function taskRoutes(
  app: FastifyInstance,
  gateway: Gateway,
  { runs, convert }: Pick<AdminRoutesOptions, 'runs' | 'convert'>,
): void {
  app.post('/admin/v1/tasks/check', (request) =>
    checkTask(gateway, parseBody(taskRequest, request)),
  );

  app.post('/admin/v1/tasks', async (request) => {
    const { record, check } = await proposeTask(gateway, parseBody(taskRequest, request));
    return { task: record.event?.key, recorded: recordedAnswer(record), check };
  });

  app.get('/admin/v1/tasks', () => listTasks(gateway));

  app.get('/admin/v1/tasks/:task', (request) => taskView(gateway, taskOf(request).key));

  app.post('/admin/v1/tasks/:task/approve', async (request) => {
    const grant = parseBody(approveRequest, request);
    const { record, ...standing } = await approveTask(gateway, taskOf(request).id, grant);
    return { ...recordedAnswer(record), ...standing };
  });

  app.post('/admin/v1/tasks/:task/decline', async (request) => {
    const { code } = parseBody(declineRequest, request);
    return recordedAnswer(await declineTask(gateway, taskOf(request).id, code));
  });

  app.post('/admin/v1/tasks/:task/run', (request) => {
    const { worker, newest } = parseBody(startRunRequest, request);
    return runs.start(gateway, taskOf(request).id, { address: worker, newest });
  });

  app.get('/admin/v1/runs/:run', (request) => {
    return runs.status(gateway, runOf(request), pollQuery(request));
  });

  app.get('/admin/v1/results/:run', (request) => listResult(gateway, runOf(request)));

  app.post('/admin/v1/results/:run/open', async (request, reply) => {
    const as = { ...parseQuery(resultQuery, request), convert };
    const { bytes, length } = await openResult(gateway, runOf(request), as);
    reply.header('content-type', 'application/octet-stream').header('content-length', length);
    return reply.send(bytes);
  });

  app.post('/admin/v1/results/:run/schema', async (request) => {
    const { format, ...of } = parseQuery(resultQuery, request);
    return await describeResult(gateway, runOf(request), { ...of, format, convert });
  });
}

function ledgerRoutes(app: FastifyInstance, gateway: Gateway): void {
  charterRoutes(app, gateway);
  app.get('/admin/v1/status', async () => statusOf(gateway));
  app.get('/admin/v1/keepers', () => listKeepers(gateway));
  app.get('/admin/v1/bill', async (request) =>
    billsOf(gateway, parseQuery(billQuery, request).task),
  );
  app.get('/admin/v1/events', async (request) => {
    const { from, limit } = parseQuery(eventsQuery, request);
    return eventsPage(gateway, from, limit);
  });
  app.post('/admin/v1/ledger/close', async (request) => {
    const { next } = parseBody(closeRequest, request);
    const said = next === undefined ? {} : { next: fromHex(next) };
    return recordedAnswer(await publishAccepted(gateway, 'close', said));
  });
  app.post('/admin/v1/ledger/verify', () => verifyLedger(gateway));
  app.post('/admin/v1/epochs', async (request) => {
    return recordedAnswer(await formEpoch(gateway, parseBody(epochRequest, request)));
  });
  app.get('/admin/v1/epochs', async () => openProposals(gateway));
  app.post('/admin/v1/epochs/:epoch/consent', async (request) =>
    recordedAnswer(await consentTo(gateway, epochOf(request))),
  );
  app.post('/admin/v1/epochs/plan', (request) =>
    planRotation(gateway, parseBody(rotationRequest, request)),
  );
  app.get('/admin/v1/epochs/:epoch', (request) => attemptOf(gateway, epochOf(request)));
  app.get('/admin/v1/resealing', () => resealing(gateway));
  app.post('/admin/v1/collateral', { bodyLimit: MAX_COLLATERAL_BYTES }, (request) =>
    publishCollateral(gateway, bytesOf(request)),
  );
}

function charterRoutes(app: FastifyInstance, gateway: Gateway): void {
  app.get('/admin/v1/charter', async () => charterView(gateway));
  app.get('/admin/v1/charter/amendments/:id', async (request) => {
    const { id } = request.params as { id: string };
    return amendmentFileOf(gateway, toHex(fromHex(id, 32)));
  });
  app.post('/admin/v1/charter/amend', { bodyLimit: MAX_CHARTER_BYTES }, async (request) => {
    const { dryRun, ...wish } = parseBody(amendRequest, request);
    const looked = lookAt(gateway, wish);
    if (dryRun) return { amendment: looked, seq: null, inForce: false };
    const { seq, event } = await proposeAmendment(gateway, wish);
    const id = event?.key ?? '';
    const inForce = gateway.follower.state.amendment === id;
    const amendment = inForce ? { ...looked, id } : openAmendment(gateway, id);
    return { amendment, seq, inForce };
  });
  app.post('/admin/v1/charter/sign', { bodyLimit: MAX_CHARTER_BYTES }, async (request) => {
    const { amend, event } = parseBody(charterSignRequest, request);
    const { state } = gateway.follower;
    const before = state.charter?.version;
    const late = amend !== undefined && state.amendment === amend;
    const { seq } = await (event === undefined
      ? signAmendment(gateway, amend ?? '')
      : forwardSignature(gateway, fromBase64(event)));
    const version = state.charter?.version ?? 0;
    return { seq, inForce: version !== before, late, version };
  });
}

function taskOf(request: FastifyRequest): { key: string; id: Uint8Array } {
  const key = (request.params as { task: string }).task;
  return { key, id: fromHex(key, 32) };
}

function runOf(request: FastifyRequest): string {
  const { run } = request.params as { run: string };
  return toHex(fromHex(run, 16));
}

function epochOf(request: FastifyRequest): string {
  const { epoch } = request.params as { epoch: string };
  return toHex(fromHex(epoch, 32));
}

/** @throws CodedError `request-forbidden` for another site's page, or a name made to point here */
function refuseStrangeBrowser(request: FastifyRequest, hosts: readonly string[]): void {
  const { host = '', origin } = request.headers;
  const called = hostNameOf(`http://${host}`);
  if (called === undefined || !(isLoopback(called) || hosts.includes(called))) {
    throw forbidden(`the admin API does not answer as ${host.slice(0, 100)}`);
  }
  if (origin === undefined) return;
  const from = URL.canParse(origin) ? new URL(origin).host : undefined;
  if (from === host.toLowerCase()) return;
  throw forbidden(`the admin API does not answer pages of ${origin.slice(0, 100)}`);
}

function hostNameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : undefined;
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

function forbidden(message: string): CodedError {
  return requestError('request-forbidden', message);
}
