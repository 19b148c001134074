// What JavaScript authors take for granted and the engine has not. Imported before
// the handler, so that it is there when the handler's modules are evaluated.
import clock from "wasi:clocks/monotonic-clock@0.2.12";
import random from "wasi:random/random@0.2.12";
import { console } from "./console.js";
import { Headers, Response, fetch } from "./fetch.js";
import { GuestPromise, clearTimer, queueJob, setTimer } from "./promise.js";
import { TextDecoder, TextEncoder } from "./utf8.js";

const CHUNK = 65536;
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const crypto = {
  getRandomValues(array) {
    if (array.byteLength > CHUNK) throw new RangeError(`crypto.getRandomValues: expected at most ${CHUNK} bytes, found ${array.byteLength}`);
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(random.getRandomBytes(array.byteLength));
    return array;
  },
  randomUUID() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
};

// The engine's own generator was seeded when the component was built.
Math.random = () => {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
};

Object.assign(globalThis, {
  Promise: GuestPromise,
  queueMicrotask: queueJob,
  setTimeout: (act, delay, ...values) => setTimer(act, delay, values),
  clearTimeout: clearTimer,
  console,
  crypto,
  fetch,
  Headers,
  Response,
  TextDecoder,
  TextEncoder,
  structuredClone: (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value))),
});

/** Waits without doing anything. */
export function sleep(ms) {
  const pause = clock.subscribeDuration(Math.ceil(ms * 1e6));
  pause.block();
  pause[Symbol.dispose]();
}
