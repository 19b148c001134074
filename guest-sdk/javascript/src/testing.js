// Runs a handler in Node.js, the way the host would.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { attempt } from "./attempt.js";
import { covers } from "./context.js";
import { isHandler } from "./define.js";
import { line } from "./text.js";

/** An event with this data. */
export function event(type, data, attributes = {}) {
  return {
    specversion: "1.0", id: "test", source: "/test", datacontenttype: "application/json",
    ...attributes, type, ...(data === undefined ? {} : { data }),
  };
}

/** An event from a file: CloudEvents in JSON. */
export function parse(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Makes a first attempt at an event, in a world without anything. */
export function deliver(handler, event) {
  return new World().deliver(handler, event);
}

/** What surrounds a handler. */
export class World {
  #state = new Map();
  #settings = new Map();
  #answers = [];
  #now;
  #random;

  withState(namespace, values) {
    const bucket = this.#bucket(namespace);
    for (const [key, value] of Object.entries(values)) bucket.set(key, JSON.stringify(value));
    return this;
  }

  withConfig(key, value) {
    this.#settings.set(key, value);
    return this;
  }

  withSecret(name, value) {
    return this.withConfig(name, value);
  }

  /** What the clock shows, which stands still. */
  withNow(time) {
    const at = new Date(time).getTime();
    if (Number.isNaN(at)) throw new TypeError(`withNow: expected a time such as 2026-01-31T12:00:00Z, found ${time}`);
    this.#now = at;
    return this;
  }

  /** What `Math.random` gives, one after another and again from the first. */
  withRandom(...values) {
    this.#random = values;
    return this;
  }

  /** Moves the clock. */
  advance(ms) {
    this.#now = (this.#now ?? Date.now()) + ms;
  }

  /** The answer to a call; several to the same are given one after another, the last one again. */
  answer(method, url, status, data, headers = {}) {
    const body = typeof data === "string" || data === undefined ? data : JSON.stringify(data);
    const type = data === undefined ? {} : { "content-type": typeof data === "string" ? "text/plain" : "application/json" };
    this.#answers.push({ method: method.toUpperCase(), url, status, body, headers: { ...type, ...headers } });
    return this;
  }

  /** A call that does not get an answer: `fetch` throws. */
  fail(method, url, why = "connection refused") {
    this.#answers.push({ method: method.toUpperCase(), url, why });
    return this;
  }

  state(namespace, key) {
    const text = this.#bucket(namespace).get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Makes an attempt; state is kept if it ends well, as a host would. */
  async deliver(handler, event, { attempt: number = 1 } = {}) {
    if (!isHandler(handler)) throw new TypeError("deliver: expected a handler that `defineHandler` made");
    subscribes(handler, event);
    const log = [];
    const calls = [];
    const before = new Map([...this.#state].map(([name, bucket]) => [name, new Map(bucket)]));
    const outside = this.#outside(log);
    const restore = replace(this.#globals(log, calls, handler));
    let made;
    try {
      made = await attempt(handler, received(event), { id: `test.${event.id}`, attempt: number, sequence: 1 }, outside, explain);
    } finally {
      restore();
    }
    if (made.outcome.kind !== "ack") this.#state = before;
    return new Attempt(made.outcome, made.drafts.map(draft), log, calls);
  }

  #bucket(namespace) {
    if (!this.#state.has(namespace)) this.#state.set(namespace, new Map());
    return this.#state.get(namespace);
  }

  #outside(log) {
    return {
      log: (level, text) => void log.push({ level, text }),
      setting: (key) => this.#settings.get(key),
      state: (namespace) => {
        const bucket = this.#bucket(namespace);
        return {
          get: (key) => bucket.get(key),
          set: (key, text) => void bucket.set(key, text),
          delete: (key) => void bucket.delete(key),
          keys: () => [...bucket.keys()],
          increment(key, by) {
            const sum = Number(bucket.get(key) ?? 0) + by;
            bucket.set(key, String(sum));
            return sum;
          },
        };
      },
    };
  }

  #globals(log, calls, handler) {
    const to = (level) => (...values) => void log.push({ level, text: line(values) });
    const globals = {
      console: {
        ...globalThis.console,
        log: to("info"), info: to("info"), debug: to("debug"), trace: to("trace"), warn: to("warn"), error: to("error"),
      },
      fetch: (url, options) => this.#fetch(String(url), options, calls, handler),
    };
    if (this.#now !== undefined) globals.Date = clock(() => this.#now);
    if (this.#random) {
      let next = 0;
      const values = this.#random;
      globals.Math = Object.create(Object.getPrototypeOf(Math), {
        ...Object.getOwnPropertyDescriptors(Math),
        random: { value: () => values[next++ % values.length] },
      });
    }
    return globals;
  }

  async #fetch(url, { method = "GET", headers, body } = {}, calls, handler) {
    const verb = method.toUpperCase();
    const { hostname, host, port, protocol } = new URL(url);
    const full = port ? host : `${hostname}:${protocol === "https:" ? 443 : 80}`;
    if (!handler.http.some((asked) => asked === host || asked === hostname || asked === full)) {
      throw new TypeError(`${verb} ${protocol}//${host} failed: it is not granted\n  name the host in \`http\` of defineHandler, and grant it in the sidecar`);
    }
    calls.push({ method: verb, url, headers: Object.fromEntries(new Headers(headers)), body: typeof body === "string" ? body : undefined });
    const fitting = this.#answers.filter((answer) => answer.method === verb && answer.url === url);
    const answer = fitting[0];
    if (!answer) {
      const known = this.#answers.map(({ method, url }) => `\n  there is one for ${method} ${url}`).join("");
      throw new TypeError(`the test has no answer for ${verb} ${url}${known}\n  add it with \`world.answer("${verb}", "${url}", 200, {})\``);
    }
    if (fitting.length > 1) this.#answers.splice(this.#answers.indexOf(answer), 1);
    if (answer.why) throw new TypeError(`${verb} ${protocol}//${host} failed: ${answer.why}`);
    return new Response(answer.body, { status: answer.status, headers: answer.headers });
  }
}

/** How an attempt ended, and what the handler did. */
export class Attempt {
  constructor(outcome, drafts, log, calls) {
    this.outcome = outcome;
    this.drafts = drafts;
    this.log = log;
    this.calls = calls;
  }

  assertAck() {
    this.#expect("ack", "");
    return this;
  }

  /** The reason contains this text. */
  assertRetry(reason = "") {
    this.#expect("retry", reason);
    return this;
  }

  /** The reason contains this text. */
  assertReject(reason = "") {
    this.#expect("reject", reason);
    return this;
  }

  onlyDraft() {
    assert.equal(this.drafts.length, 1, `expected one draft, found ${this.drafts.length}${list(this.drafts)}`);
    return this.drafts[0];
  }

  draft(type) {
    const found = this.drafts.find((draft) => draft.type === type);
    assert(found, `expected a draft of the type ${type}, found ${this.drafts.length} others${list(this.drafts)}`);
    return found;
  }

  #expect(kind, reason) {
    const { outcome } = this;
    const found = outcome.reason === undefined ? outcome.kind : `${outcome.kind}: ${outcome.reason}`;
    assert(outcome.kind === kind && (outcome.reason ?? "").includes(reason), `expected ${reason ? `${kind} with \`${reason}\`` : kind}, found ${found}`);
  }
}

function list(drafts) {
  return drafts.map(({ type }) => `\n  ${type}`).join("");
}

function draft({ text, ...attributes }) {
  return { ...attributes, data: text === undefined ? undefined : JSON.parse(text) };
}

const ATTRIBUTES = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"];

function received(event) {
  const others = Object.entries(event).filter(([name]) => !ATTRIBUTES.includes(name));
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
    dataContentType: event.datacontenttype,
    dataSchema: event.dataschema,
    extensions: Object.fromEntries(others.map(([name, value]) => [name, String(value)])),
    text: event.data_base64 !== undefined ? Buffer.from(event.data_base64, "base64").toString()
      : event.data === undefined ? undefined : JSON.stringify(event.data),
  };
}

function subscribes(handler, event) {
  const wrong = !handler.on.some((pattern) => covers(pattern, event.type)) ? `the type \`${event.type}\`, but on ${handler.on.map((type) => `\`${type}\``).join(", ")}`
    : handler.source !== undefined && handler.source !== event.source ? `the source \`${event.source}\`, but \`${handler.source}\``
      : handler.subject !== undefined && handler.subject !== event.subject ? `the subject \`${event.subject}\`, but \`${handler.subject}\`` : undefined;
  if (wrong) throw new Error(`this handler is not for ${wrong}`);
}

function explain(error) {
  return error instanceof Error ? error.stack ?? String(error) : `the handler threw what is no Error: ${typeof error === "string" ? error : typeof error}`;
}

function clock(now) {
  return class Date extends globalThis.Date {
    constructor(...values) {
      super(...(values.length > 0 ? values : [now()]));
    }
    static now() {
      return now();
    }
  };
}

/** Attempts replace what is global, so a process makes one at a time. */
let busy = false;

function replace(values) {
  if (busy) throw new Error("deliver: another attempt still runs\n  await each `deliver` before the next one");
  busy = true;
  const before = Object.fromEntries(Object.keys(values).map((name) => [name, globalThis[name]]));
  Object.assign(globalThis, values);
  return () => {
    Object.assign(globalThis, before);
    busy = false;
  };
}
