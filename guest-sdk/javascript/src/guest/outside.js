// The host, as a handler's context reaches it.
import atomics from "wasi:keyvalue/atomics@0.2.0-draft";
import config from "wasi:config/store@0.2.0-rc.1";
import store from "wasi:keyvalue/store@0.2.0-draft";
import { log } from "./console.js";
import { decode, encode } from "./utf8.js";

export const outside = {
  log,
  setting: (key) => config.get(key) ?? undefined,
  state(namespace) {
    const bucket = told(`the state \`${namespace}\``, () => store.open(namespace));
    const of = (key) => `the value of \`${key}\` in the state \`${namespace}\``;
    return {
      get(key) {
        const bytes = told(of(key), () => bucket.get(key));
        return bytes === null || bytes === undefined ? undefined : decode(bytes);
      },
      set: (key, text) => told(of(key), () => bucket.set(key, encode(text))),
      delete: (key) => told(of(key), () => bucket.delete(key)),
      increment: (key, by) => Number(told(of(key), () => atomics.increment(bucket, key, by))),
      keys() {
        const keys = [];
        let cursor;
        do {
          const page = told(`the state \`${namespace}\``, () => bucket.listKeys(cursor));
          keys.push(...page.keys);
          cursor = page.cursor ?? undefined;
        } while (cursor !== undefined);
        return keys;
      },
    };
  },
};

/** The host's errors, in words. */
function told(what, act) {
  try {
    return act();
  } catch (error) {
    const failure = error?.payload;
    if (!failure?.tag) throw error;
    throw new Error(failure.tag === "access-denied" || failure.tag === "no-such-store"
      ? `${what} cannot be reached: it is not granted\n  list it as \`state\` under [grants] of the sidecar`
      : `${what} cannot be reached: ${failure.val ?? failure.tag}`);
  }
}
