// A handler as the component that the host calls.
import { sleep } from "./globals.js";
import { attempt } from "../attempt.js";
import { isHandler } from "../define.js";
import { outside } from "./outside.js";
import { explain } from "./places.js";
import { settle } from "./promise.js";
import { decode, encode } from "./utf8.js";

export function component(definition, description) {
  if (!isHandler(definition)) throw new TypeError("the default export is no handler: expected `export default defineHandler({ ... })`");
  return {
    describe: () => described(definition, description),
    handle(event, delivery) {
      const { outcome, drafts } = settle(
        attempt(definition, received(event), delivery, outside, explain),
        sleep,
      );
      if (outcome.kind === "ack") return drafts.map(sent);
      throw failure(outcome);
    },
  };
}

function described(definition, description = "") {
  const asks = (tag, names) => names.map((val) => ({ tag, val }));
  return {
    description: definition.description ?? description,
    subscriptions: [{ types: definition.on, source: definition.source, subject: definition.subject }],
    publishes: definition.publishes,
    capabilities: [
      ...asks("http", definition.http),
      ...asks("config", definition.config),
      ...asks("secret", definition.secrets),
      ...asks("state", definition.state),
    ],
    order: definition.order,
    instances: definition.instances,
  };
}

function received(event) {
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject ?? undefined,
    time: event.time ?? undefined,
    dataContentType: event.dataContentType ?? undefined,
    dataSchema: event.dataSchema ?? undefined,
    extensions: Object.fromEntries(event.extensions),
    text: event.data === null || event.data === undefined ? undefined : decode(event.data),
  };
}

function sent({ text, ...draft }) {
  return { ...draft, extensions: Object.entries(draft.extensions), data: text === undefined ? undefined : encode(text) };
}

/** A plain object: only an Error is an exception to the engine. */
function failure(outcome) {
  return outcome.kind === "reject"
    ? { tag: "reject", val: outcome.reason.toWellFormed() }
    : { tag: "retry", val: { reason: outcome.reason.toWellFormed(), afterMs: outcome.afterMs } };
}
