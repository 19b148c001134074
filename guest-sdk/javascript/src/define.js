import { shape } from "./shape.js";
import { didYouMean, kind } from "./text.js";

const KNOWN = [
  "on", "source", "subject", "publishes", "state", "config", "secrets", "http",
  "order", "instances", "description", "data", "handle",
];

/** Makes a handler of what is said of it, and says at once what is wrong with that. */
export function defineHandler(options) {
  if (options === null || typeof options !== "object") {
    throw new TypeError(`defineHandler: expected an object with \`on\` and \`handle\`, found ${kind(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) {
      throw new TypeError(`defineHandler: there is no option \`${key}\`${didYouMean(key, KNOWN)}`);
    }
  }
  if (typeof options.handle !== "function") {
    throw new TypeError(`defineHandler: expected \`handle\` to be a function, found ${kind(options.handle)}`);
  }
  const on = list(options, "on");
  if (on.length === 0) {
    throw new TypeError("defineHandler: expected `on` to name the type of the events to handle, found nothing");
  }
  return {
    on,
    source: text(options, "source"),
    subject: text(options, "subject"),
    publishes: list(options, "publishes"),
    state: list(options, "state"),
    config: list(options, "config"),
    secrets: list(options, "secrets"),
    http: list(options, "http"),
    order: oneOf(options, "order", ["none", "key"]),
    instances: oneOf(options, "instances", ["reused", "fresh"]),
    description: text(options, "description"),
    decode: typeof options.data === "function" || options.data === undefined ? options.data : shape(options.data),
    handle: options.handle,
  };
}

/** Whether a value came out of `defineHandler`. */
export function isHandler(value) {
  return value !== null && typeof value === "object" && Array.isArray(value.on) && typeof value.handle === "function";
}

function list(options, key) {
  const value = options[key] ?? [];
  const values = Array.isArray(value) ? value : [value];
  for (const one of values) {
    if (typeof one !== "string" || one === "") {
      throw new TypeError(`defineHandler: expected \`${key}\` to be a string or strings, found ${one === "" ? "an empty one" : kind(one)}`);
    }
  }
  return values;
}

function text(options, key) {
  const value = options[key];
  if (value !== undefined && typeof value !== "string") {
    throw new TypeError(`defineHandler: expected \`${key}\` to be a string, found ${kind(value)}`);
  }
  return value;
}

function oneOf(options, key, choices) {
  const value = options[key] ?? choices[0];
  if (!choices.includes(value)) {
    throw new TypeError(`defineHandler: expected \`${key}\` to be ${choices.map((c) => `"${c}"`).join(" or ")}, found ${typeof value === "string" ? `"${value}"` : kind(value)}`);
  }
  return value;
}
