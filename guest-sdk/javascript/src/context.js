import { didYouMean, line } from "./text.js";

/**
 * What a handler is given beside its event. `outside` is the host, or the world
 * of a test.
 */
export class Context {
  #definition;
  #outside;
  #drafts = [];

  constructor(definition, delivery, outside) {
    this.#definition = definition;
    this.#outside = outside;
    this.attempt = delivery.attempt;
    this.idempotencyKey = delivery.id;
    this.sequence = delivery.sequence;
    this.log = {};
    for (const level of ["trace", "debug", "info", "warn", "error"]) {
      this.log[level] = (...values) => outside.log(level, line(values));
    }
  }

  get drafts() {
    return this.#drafts;
  }

  publish(type, data, options = {}) {
    const { publishes } = this.#definition;
    if (!publishes.some((pattern) => covers(pattern, type))) {
      throw new Error(`\`${type}\` is not among the types that this handler publishes${didYouMean(type, publishes)}\n  name it in \`publishes\` of defineHandler`);
    }
    const extensions = { ...options.extensions };
    if (options.partitionKey !== undefined) extensions.partitionkey = options.partitionKey;
    const draft = {
      type,
      subject: options.subject,
      dataContentType: data === undefined ? undefined : "application/json",
      dataSchema: options.schema,
      extensions: Object.fromEntries(Object.entries(extensions).map(([name, value]) => [name, String(value)])),
    };
    // Now, and not when the handler ends: it may change the object afterwards.
    if (data !== undefined) draft.text = json(data, `the data of \`${type}\``);
    this.#drafts.push(draft);
  }

  state(namespace) {
    this.#asked("state", namespace);
    return new State(this.#outside.state(namespace));
  }

  config(key, fallback) {
    this.#asked("config", key);
    return this.#setting("config", key, fallback);
  }

  secret(name, fallback) {
    this.#asked("secrets", name);
    return this.#setting("secrets", name, fallback);
  }

  #setting(table, key, fallback) {
    const value = this.#outside.setting(key) ?? fallback;
    if (value === undefined) {
      throw new Error(`there is no value for \`${key}\`\n  set it under [${table}] of the handler's sidecar; in a test with \`world.with${table === "config" ? "Config" : "Secret"}\``);
    }
    return value;
  }

  #asked(option, name) {
    const names = this.#definition[option];
    if (!names.includes(name)) {
      throw new Error(`this handler did not ask for \`${name}\`${didYouMean(name, names)}\n  name it in \`${option}\` of defineHandler`);
    }
  }
}

/** A namespace of durable state. Values are JSON. */
class State {
  #bucket;

  constructor(bucket) {
    this.#bucket = bucket;
  }

  get(key) {
    const text = this.#bucket.get(key);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`the value of \`${key}\` in the state is not JSON`);
    }
  }

  set(key, value) {
    this.#bucket.set(key, json(value, `the value of \`${key}\``));
  }

  delete(key) {
    this.#bucket.delete(key);
  }

  increment(key, by = 1) {
    if (!Number.isSafeInteger(by) || by < 0) {
      throw new TypeError(`expected to increment \`${key}\` by a whole number from 0 on, found ${by}`);
    }
    return this.#bucket.increment(key, by);
  }

  // Safe as it stands: the host runs the attempt again if another one changed
  // meanwhile what this one read.
  compareAndSwap(key, expected, value) {
    const now = this.#bucket.get(key);
    if (canonical(now === undefined ? undefined : JSON.parse(now)) !== canonical(expected)) return false;
    if (value === undefined) this.delete(key);
    else this.set(key, value);
    return true;
  }

  keys() {
    return this.#bucket.keys();
  }
}

export function covers(pattern, type) {
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}

function json(value, what) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new TypeError(`${what} cannot be written as JSON: ${error.message}`);
  }
  if (text === undefined) throw new TypeError(`${what} cannot be written as JSON: it is ${typeof value}`);
  return text;
}

/** The same text for equal values, whatever the order of their keys. */
function canonical(value) {
  return JSON.stringify(value, (_, inner) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner);
}
