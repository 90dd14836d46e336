// SPDX-License-Identifier: Apache-2.0
// Queries and bodies of requests, checked against their schemas.
import { type CodedError, firstIssue, requestError } from '@cloister/core';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

const LONGEST_WAIT_MS = 20_000;
const pollSchema = z.object({
  known: z.string().max(40).default(''),
  wait: z.coerce.number().int().min(0).default(0),
});

/** The query string. @throws CodedError `request-malformed` */
export function parseQuery<T extends z.ZodType>(schema: T, request: FastifyRequest): z.infer<T> {
  return parse(schema, request.query, 'the query');
}

/** What a poll's caller knows already, and how long it waits for news, within our bounds. */
export function pollQuery(request: FastifyRequest): { known: string; waitMs: number } {
  const { known, wait } = parseQuery(pollSchema, request);
  return { known, waitMs: Math.min(wait, LONGEST_WAIT_MS) };
}

/** The JSON body. @throws CodedError `request-malformed` */
export function parseBody<T extends z.ZodType>(schema: T, request: FastifyRequest): z.infer<T> {
  return parse(schema, request.body, 'the body');
}

/** The bytes of an application/octet-stream body. @throws CodedError `request-malformed` */
export function bytesOf(request: FastifyRequest): Uint8Array {
  if (request.body instanceof Uint8Array) return request.body;
  throw malformed('send the bytes as application/octet-stream');
}

/** The body as it came over the wire, which is what a request signature covers. */
export function rawBodyOf(request: FastifyRequest): Uint8Array {
  return (request as FastifyRequest & { rawBody?: Uint8Array }).rawBody ?? new Uint8Array(0);
}

function parse<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { where, says } = firstIssue(parsed.error);
  throw malformed(`${where === '' ? what : where}: ${says}`);
}

function malformed(message: string): CodedError {
  return requestError('request-malformed', message);
}
