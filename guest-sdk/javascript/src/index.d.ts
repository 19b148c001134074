/** An event, in the attributes of CloudEvents 1.0, with its data decoded from JSON. */
export interface Event<T = unknown> {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  /** RFC 3339, as received. */
  readonly time?: string;
  readonly dataContentType?: string;
  readonly dataSchema?: string;
  /** Extension attributes in their canonical string form. */
  readonly extensions: Readonly<Record<string, string>>;
  readonly data: T;
}

/** What may be said of an event to publish. */
export interface PublishOptions {
  subject?: string;
  /** Events of one key are handled in order by handlers that ask for it. */
  partitionKey?: string;
  /** The schema of the data, an absolute URI. */
  schema?: string;
  /** More attributes: lower-case letters and digits. */
  extensions?: Record<string, string | number | boolean>;
}

/** A namespace of durable state, settled with the outcome or not at all. Values are JSON. */
export interface State {
  get<V = unknown>(key: string): V | undefined;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  /** Adds to a whole number, 0 if there is none, and gives the sum. */
  increment(key: string, by?: number): number;
  /** Sets the key if it has the expected value. `undefined` stands for no value. */
  compareAndSwap(key: string, expected: unknown, value: unknown): boolean;
  keys(): string[];
}

/** Writes lines to the host's log, as `console` does too. */
export interface Log {
  trace(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}

/** What a handler is given beside its event. */
export interface Context {
  /** Publishes an event when the handler is done; nothing if it fails. */
  publish(type: string, data?: unknown, options?: PublishOptions): void;
  state(namespace: string): State;
  /** A value of configuration; throws without a value and a fallback. */
  config(key: string, fallback?: string): string;
  /** A secret; throws without a value and a fallback. */
  secret(name: string, fallback?: string): string;
  readonly log: Log;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same in each attempt: for calls to the outside. */
  readonly idempotencyKey: string;
  /** The position of the event in the journal. */
  readonly sequence: number;
}

/** What a handler says of itself. */
export interface HandlerOptions<S> {
  /** The types of the events to handle, exact or ending in `.*`. */
  on: string | readonly string[];
  /** Only events of this source. */
  source?: string;
  /** Only events of this subject. */
  subject?: string;
  /** The types that it publishes, exact or ending in `.*`. */
  publishes?: string | readonly string[];
  /** Namespaces of durable state. */
  state?: string | readonly string[];
  /** Keys of configuration. */
  config?: string | readonly string[];
  /** Names of secrets. */
  secrets?: string | readonly string[];
  /** Hosts that `fetch` may call: `api.example.com`, or with a port. */
  http?: string | readonly string[];
  /** `key`: one event at a time for each partition key, else subject. */
  order?: "none" | "key";
  /** `fresh`: a new instance for each event. `reused` is the default: faster. */
  instances?: "reused" | "fresh";
  /** One line for people; without it package.json's `description`. */
  description?: string;
  /**
   * What the data looks like, such as
   * `{ orderId: "string", note: "string?", lines: [{ pieces: "number" }] }`, or a
   * function that checks it and gives it back. What does not fit becomes a dead
   * letter that names the place, such as `$.lines[0].pieces`.
   */
  data?: S;
  handle(event: Event<Shaped<S>>, ctx: Context): void | Promise<void>;
}

/** A handler that `defineHandler` made. */
export interface Handler<T = unknown> {
  readonly on: readonly string[];
  readonly publishes: readonly string[];
  readonly http: readonly string[];
  readonly handle: (event: Event<T>, ctx: Context) => void | Promise<void>;
}

/** Makes a handler: the default export of a package. */
export function defineHandler<const S = unknown>(options: HandlerOptions<S>): Handler<Shaped<S>>;

/** Thrown: the event can never be handled, and becomes a dead letter with this reason. */
export class Reject extends Error {}

/** Thrown: the event is tried again, not before `afterMs` milliseconds. */
export class Retry extends Error {
  constructor(message: string, options?: { afterMs?: number; cause?: unknown });
  readonly afterMs?: number;
}

type Simple = { string: string; number: number; boolean: boolean; unknown: unknown };

/** The type of data of this shape. */
export type Shaped<S> =
  unknown extends S ? unknown :
  S extends (data: any) => infer T ? T :
  S extends `${infer K extends keyof Simple & string}?` ? Simple[K] | undefined :
  S extends keyof Simple ? Simple[S] :
  S extends readonly [infer E] ? Shaped<E>[] :
  S extends object ? { -readonly [K in keyof S]: Shaped<S[K]> } :
  never;
