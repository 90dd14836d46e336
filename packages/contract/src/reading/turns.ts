// SPDX-License-Identifier: Apache-2.0
// Whom a node asks first. Nobody is first for long, so a peer that is behind, or that gives out its
// history slowly, holds a node for one turn; and who failed rests for some turns, so that a peer
// that never answers does not cost a time-out each time.

const LONGEST_REST = 32;

interface Place<P> {
  readonly peer: P;
  /** How many more turns it rests. */
  rest: number;
  /** How long it rested last, in turns; 0 where it did not fail since it answered. */
  rested: number;
}

export interface Turn<P> {
  /** To be asked in this order. */
  readonly ready: readonly P[];
  /** To be asked only where none of the others can be. */
  readonly resting: readonly P[];
}

export class Turns<P> {
  readonly #places: readonly Place<P>[];
  #next = 0;

  constructor(peers: readonly P[]) {
    this.#places = peers.map((peer) => ({ peer, rest: 0, rested: 0 }));
  }

  /** How many peers there are. */
  get size(): number {
    return this.#places.length;
  }

  /** The next turn: another peer is first. */
  next(): Turn<P> {
    const first = this.#next++ % Math.max(this.#places.length, 1);
    const places = [...this.#places.slice(first), ...this.#places.slice(0, first)];
    const ready = places.filter(({ rest }) => rest === 0).map(({ peer }) => peer);
    const resting = places.filter(({ rest }) => rest > 0);
    for (const place of resting) place.rest--;
    return { ready, resting: resting.map(({ peer }) => peer) };
  }

  answered(peer: P): void {
    const place = this.#placeOf(peer);
    if (place !== undefined) Object.assign(place, { rest: 0, rested: 0 });
  }

  /** It rests, twice as long as the last time. */
  failed(peer: P): void {
    const place = this.#placeOf(peer);
    if (place === undefined) return;
    place.rested = Math.min(Math.max(place.rested * 2, 1), LONGEST_REST);
    place.rest = place.rested;
  }

  #placeOf(peer: P): Place<P> | undefined {
    return this.#places.find((place) => place.peer === peer);
  }
}
