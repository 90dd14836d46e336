// SPDX-License-Identifier: Apache-2.0
// The gateway's HTTP server: peers' routes for everybody, the admin API behind a token. Errors
// leave as coded JSON; anything that is not a coded error is logged here and leaves as `internal`.
import { METRICS_TYPE, UPLOAD_TYPE } from '@cloister/api';
import { type CodedError, isCoded, requestError, toErrorResponse } from '@cloister/core';
import fastify, { type FastifyInstance } from 'fastify';
import type { Gateway } from '../context.ts';
import { type AdminRoutesOptions, adminRoutes } from './admin-routes.ts';
import { gatewayMetrics } from './metrics.ts';
import { type PeerRoutesOptions, peerRoutes } from './peer-routes.ts';

/** An upload of the largest size, on a slow disk. */
const REQUEST_TIMEOUT_MS = 3_600_000;
const CONNECTIONS_MAX = 1_024;

export function buildServer(
  gateway: Gateway,
  options: AdminRoutesOptions & PeerRoutesOptions,
): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: 4 * 1024 * 1024,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.maxHeadersCount = 64;
  const metrics = gatewayMetrics(gateway);
  bodyParsers(app);
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.served(request.method, route, reply.statusCode, reply.elapsedTime);
  });
  app.setErrorHandler((error, request, reply) => {
    const fault = frameworkError(error) ?? error;
    if (!isCoded(fault))
      gateway.log.error({ err: fault, route: request.routeOptions.url }, 'request failed');
    const { status, body } = toErrorResponse(fault);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `no such endpoint: ${request.method} ${request.url.slice(0, 100)}`;
    const { status, body } = toErrorResponse(requestError('route-unknown', message));
    return reply.code(status).send(body);
  });
  app.get('/metrics', async (_request, reply) =>
    reply.header('content-type', METRICS_TYPE).send(metrics.text()),
  );
  peerRoutes(app, gateway, options);
  adminRoutes(app, gateway, options);
  return app;
}

function bodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer' },
    (_request, body, done) => done(null, body),
  );
  // Uploads are read as a stream by their route, never into memory.
  app.addContentTypeParser(UPLOAD_TYPE, (_request, _payload, done) => done(null));
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    (request as typeof request & { rawBody: Uint8Array }).rawBody = body as Buffer;
    try {
      done(null, JSON.parse((body as Buffer).toString('utf8')));
    } catch {
      done(requestError('request-malformed', 'the body is not JSON'));
    }
  });
}

/** Fastify's own refusals (too large, wrong type) as coded errors. */
function frameworkError(error: unknown): CodedError | undefined {
  if (isCoded(error) || !(error instanceof Error)) return undefined;
  const { code, statusCode } = error as Error & { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return requestError('request-too-large', 'the body is longer than this endpoint takes');
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const message = 'the content type is none that this endpoint takes: send application/json';
    return requestError('request-malformed', message);
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const message = 'the request is not one that this endpoint takes: see to its address and body';
    return requestError('request-malformed', message);
  }
  return undefined;
}
