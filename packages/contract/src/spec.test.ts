// SPDX-License-Identifier: Apache-2.0
// spec/events.md stays true: its example is what this code makes, its tables have every kind, void
// code and task state.
import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { admit } from './events/admit.ts';
import { EVENT_KINDS } from './events/bodies.ts';
import { MAX_EVENT_BYTES } from './events/event.ts';
import { VOID_CODES } from './fold/void-codes.ts';

const text = readFileSync(new URL('../../../spec/events.md', import.meta.url), 'utf8');

describe('spec/events.md', () => {
  it("has an example that is the specimen world's tick", async () => {
    const hex = /```\n([0-9a-f\n]{300,})```/.exec(text)?.[1]?.replaceAll('\n', '') ?? '';
    const world = await World.create();
    expect(world.log.map(toHex)).toContain(hex);
    const event = await admit(fromHex(hex), nodeCrypto);
    expect(event.kind).toBe('tick');
    expect(text).toContain(`Event id: \`${event.key}\``);
  });

  it('lists the void codes with their sentences, and no others', () => {
    const table = text.slice(text.indexOf('## Void codes'));
    const rows = [...table.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)].map((m) => [m[1], m[2]]);
    expect(Object.fromEntries(rows)).toEqual(VOID_CODES);
  });

  it('names every kind, task state and the size bound', () => {
    const kinds = text.slice(text.indexOf('## Kinds'), text.indexOf('## Task states'));
    for (const kind of Object.keys(EVENT_KINDS)) expect(kinds).toMatch(new RegExp(`\\b${kind}\\b`));
    const states = text.slice(text.indexOf('## Task states'), text.indexOf('## Openings'));
    const names = [...states.matchAll(/^\| ([a-z]+) \|/gm)].map((m) => m[1]);
    const all = 'proposed approved joined recorded released unreleased failed expired';
    expect(names).toEqual(['state', ...all.split(' ')]);
    expect(text).toContain(MAX_EVENT_BYTES.toLocaleString('en-US'));
  });
});
