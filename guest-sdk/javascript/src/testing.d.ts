import type { Handler } from "./index.js";

/** An event as CloudEvents in JSON has it. */
export interface TestEvent {
  id: string;
  source: string;
  type: string;
  [attribute: string]: unknown;
}

/** An event with this data; its attributes have the names of CloudEvents. */
export function event(type: string, data?: unknown, attributes?: Record<string, unknown>): TestEvent;

/** An event from a file: CloudEvents in JSON. */
export function parse(path: string): TestEvent;

/** Makes a first attempt at an event, in a world without anything. */
export function deliver(handler: Handler<any>, event: TestEvent): Promise<Attempt>;

/** What surrounds a handler. It stays from one attempt to the next. */
export class World {
  withState(namespace: string, values: Record<string, unknown>): this;
  withConfig(key: string, value: string): this;
  withSecret(name: string, value: string): this;
  /** What the clock shows, which stands still. */
  withNow(time: string | Date): this;
  /** What `Math.random` gives, one after another and again from the first. */
  withRandom(...values: number[]): this;
  /** Moves the clock. */
  advance(ms: number): void;
  /** The answer to a call; several to the same are given one after another, the last one again. */
  answer(method: string, url: string, status: number, data?: unknown, headers?: Record<string, string>): this;
  /** A call that does not get an answer: `fetch` throws. */
  fail(method: string, url: string, why?: string): this;
  state<V = unknown>(namespace: string, key: string): V | undefined;
  /** Makes an attempt. State is kept if it ends with an ack, as in a host. */
  deliver(handler: Handler<any>, event: TestEvent, options?: { attempt?: number }): Promise<Attempt>;
}

export type Outcome =
  | { kind: "ack"; reason?: undefined; afterMs?: undefined }
  | { kind: "retry"; reason: string; afterMs?: number }
  | { kind: "reject"; reason: string; afterMs?: undefined };

/** An event that the handler published. */
export interface Draft {
  type: string;
  subject?: string;
  dataContentType?: string;
  dataSchema?: string;
  extensions: Record<string, string>;
  data: any;
}

/** How an attempt ended, and what the handler did. */
export class Attempt {
  readonly outcome: Outcome;
  readonly drafts: Draft[];
  readonly log: { level: string; text: string }[];
  readonly calls: { method: string; url: string; headers: Record<string, string>; body?: string }[];
  assertAck(): this;
  /** The reason contains this text. */
  assertRetry(reason?: string): this;
  /** The reason contains this text. */
  assertReject(reason?: string): this;
  onlyDraft(): Draft;
  draft(type: string): Draft;
}
