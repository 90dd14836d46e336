// SPDX-License-Identifier: Apache-2.0
// Calls over the simulated network, in the place of HTTP: a call is sent again until it is answered
// or its time is over, and its server answers a repeated call with what it answered before, as a
// connection would. An endpoint that has died neither hears nor says anything any more.
import { CodedError, isCoded } from '@cloister/core';
import type { Body, Message, Network } from './network.ts';

const AGAIN_MS = 260;
const CALL_MS = 2_500;
const REPLY = '-reply';

/** Answers a call; what it throws in a CodedError reaches the caller. */
export type Route = (from: string, body: never) => Promise<unknown>;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly stop: () => void;
}

export class Endpoint {
  readonly name: string;
  alive = true;
  /** For messages that are no calls. */
  onMessage: (message: Message) => void = () => {};
  readonly #network: Network;
  readonly #routes: Readonly<Record<string, Route>>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #served = new Map<string, Body | undefined>();

  constructor(network: Network, name: string, routes: Readonly<Record<string, Route>> = {}) {
    this.name = name;
    this.#network = network;
    this.#routes = routes;
    network.attach(name, (message) => this.#on(message));
  }

  get timers() {
    return this.#network.timers(this);
  }

  /** Its process is gone. */
  die(): void {
    this.alive = false;
    this.#network.detach(this.name);
  }

  /** @throws CodedError `peer-timed-out`, or the other side's */
  call<T>(to: string, kind: string, body: Body, limitMs = CALL_MS): Promise<T> {
    const call = this.#network.call();
    return new Promise<T>((resolve, reject) => {
      if (!this.alive) return;
      let again = () => {};
      const send = () => {
        this.#network.send(this.name, to, kind, { ...body, call });
        again = this.timers.after(AGAIN_MS, send);
      };
      const late = this.timers.after(limitMs, () => {
        this.#waiting.get(call)?.stop();
        const message = `${to} did not answer ${kind} within ${limitMs} ms`;
        reject(new CodedError('peer-timed-out', 'unavailable', message));
      });
      const stop = () => {
        again();
        late();
        this.#waiting.delete(call);
      };
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject, stop });
      send();
    });
  }

  send(to: string, kind: string, body: Body): void {
    if (this.alive) this.#network.send(this.name, to, kind, body);
  }

  #on(message: Message): void {
    const { kind, body } = message;
    if (kind.endsWith(REPLY)) this.#answered(body);
    else if (Object.hasOwn(this.#routes, kind)) this.#asked(message);
    else this.onMessage(message);
  }

  #asked({ from, kind, body }: Message): void {
    const route = this.#routes[kind] as Route;
    const key = `${from}/${body['call']}`;
    const known = this.#served.get(key);
    if (known !== undefined) this.send(from, kind + REPLY, known);
    if (this.#served.has(key)) return;
    this.#served.set(key, undefined);
    this.#network.go(this.#serve(from, kind, route, body));
  }

  async #serve(from: string, kind: string, route: Route, body: Body): Promise<void> {
    const call = body['call'];
    let reply: Body;
    try {
      reply = { call, value: await route(from, body as never) };
    } catch (error) {
      if (!isCoded(error)) throw error;
      const { code, kind: sort, message, details } = error;
      reply = { call, error: { code, kind: sort, message, details } };
    }
    if (!this.alive) return;
    this.#served.set(`${from}/${call}`, reply);
    this.send(from, kind + REPLY, reply);
  }

  #answered(body: Body): void {
    const waiting = this.#waiting.get(body['call'] as number);
    if (waiting === undefined) return;
    waiting.stop();
    const error = body['error'] as CodedError | undefined;
    if (error === undefined) waiting.resolve(body['value']);
    else {
      const { code, kind, message, details } = error;
      waiting.reject(new CodedError(code, kind, message, { details }));
    }
  }
}

/** For what may fail and is tried again later. */
export function passing(error: unknown): undefined {
  if (!isCoded(error)) throw error;
  return undefined;
}
