// SPDX-License-Identifier: Apache-2.0
// Instants of times that name no zone, in the zone that the owner says: UTC, a fixed offset, or a
// name of the time zone database as this Node knows it. A time that the zone has twice, or not at
// all, has no instant.

const FIXED = /^([+-])(\d\d):?(\d\d)$/;
const DAY_MS = 86_400_000;
/** Days of which the offsets are kept. */
const KEPT_DAYS = 20_000;

export function isZone(zone: string): boolean {
  if (zone === 'UTC') return true;
  const fixed = FIXED.exec(zone);
  if (fixed !== null) return Number(fixed[2]) <= 14 && Number(fixed[3]) < 60;
  return /^[A-Za-z]/.test(zone) && clockOf(zone) !== undefined;
}

/** Answers the instant of a local time, both in ms since 1970, or undefined. */
export type ToInstant = (local: number) => number | undefined;

/** Of a zone that `isZone` holds of. */
export function toInstant(zone: string): ToInstant {
  if (zone === 'UTC') return (local) => local;
  const fixed = FIXED.exec(zone);
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    const offset = (fixed[1] === '-' ? -minutes : minutes) * 60_000;
    return (local) => local - offset;
  }
  const clock = clockOf(zone) as Intl.DateTimeFormat;
  const days = new Map<number, readonly [number, number]>();
  return (local) => {
    const day = Math.floor(local / DAY_MS);
    let offsets = days.get(day);
    if (offsets === undefined) {
      // A zone changes at most once in so short a while.
      offsets = [offsetAt(clock, (day - 1) * DAY_MS), offsetAt(clock, (day + 2) * DAY_MS)];
      if (days.size >= KEPT_DAYS) days.clear();
      days.set(day, offsets);
    }
    const [before, after] = offsets;
    if (before === after) return local - before;
    const fits = [local - before, local - after].filter((at) => at + offsetAt(clock, at) === local);
    return fits.length === 1 ? fits[0] : undefined;
  };
}

const CLOCK: Intl.DateTimeFormatOptions = {
  hourCycle: 'h23',
  era: 'short',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
};

function clockOf(zone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', { ...CLOCK, timeZone: zone });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** What the zone's clock shows beyond UTC at an instant, in ms. */
function offsetAt(clock: Intl.DateTimeFormat, at: number): number {
  const parts = new Map(clock.formatToParts(at).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type));
  const year = parts.get('era')?.startsWith('B') ? 1 - part('year') : part('year');
  const shown = new Date(
    Date.UTC(2000, part('month') - 1, part('day'), part('hour'), part('minute'), part('second')),
  );
  shown.setUTCFullYear(year, part('month') - 1, part('day'));
  return shown.getTime() - Math.floor(at / 1_000) * 1_000;
}
