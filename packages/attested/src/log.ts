// SPDX-License-Identifier: Apache-2.0
// Structured logs: one JSON object a line. Fields are ids, counts and codes that the callers name
// one by one; keys, points, openings and errors' causes are never handed in.
import { type Clock, isCoded } from '@cloister/core';

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
}

/** Writes lines through `write`, by default to stderr. */
export function jsonLog(
  clock: Clock,
  name: string,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}) => {
      const time = new Date(clock.now()).toISOString();
      write(`${JSON.stringify({ time, level, node: name, event, ...fields })}\n`);
    };
  return { info: at('info'), warn: at('warn') };
}

/**
 * What a log may say of an error: its code and message where it is coded. Of a fault of ours its
 * class and where it was thrown; its message stays inside, it may quote what was being handled.
 */
export function errorFields(error: unknown): { code: string; message: string; at?: string } {
  if (isCoded(error)) return { code: error.code, message: error.message.slice(0, 300) };
  if (!(error instanceof Error)) return { code: 'internal', message: 'unknown' };
  const { name: message, stack = '' } = error;
  const after = stack.slice(stack.indexOf(error.message) + error.message.length);
  const frames = [...after.matchAll(/^ {4}at (.{1,200})$/gm)].slice(0, 3);
  return { code: 'internal', message, at: frames.map(([, frame]) => frame).join(' < ') };
}
