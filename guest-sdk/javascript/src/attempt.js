import { Context } from "./context.js";
import { Reject, Retry } from "./errors.js";

/**
 * Hands an event to a handler, the same way in a host and in a test.
 * `explain` gives the text of an exception, with its place.
 */
export async function attempt(definition, event, delivery, outside, explain) {
  const ctx = new Context(definition, delivery, outside);
  try {
    await definition.handle(decoded(definition, event), ctx);
    return { outcome: { kind: "ack" }, drafts: ctx.drafts };
  } catch (error) {
    return { outcome: failure(error, explain), drafts: [] };
  }
}

function failure(error, explain) {
  if (error instanceof Reject) return { kind: "reject", reason: error.message };
  if (error instanceof Retry) {
    const retry = { kind: "retry", reason: error.message };
    if (error.afterMs !== undefined) retry.afterMs = Math.max(0, Math.round(error.afterMs));
    return retry;
  }
  return { kind: "retry", reason: explain(error) };
}

function decoded(definition, { text, ...event }) {
  let data;
  if (text !== undefined) {
    try {
      data = JSON.parse(text);
    } catch (error) {
      throw new Reject(`the data is not JSON${place(error)}`);
    }
  }
  if (definition.decode) {
    try {
      data = definition.decode(data);
    } catch (error) {
      throw error instanceof Reject ? error : new Reject(`the data does not fit: ${error?.message ?? error}`);
    }
  }
  return { ...event, data };
}

/** Where JSON ends to be JSON, without the words around it, which are the payload's. */
function place({ message = "", stack = "" }) {
  const found = /at position (\d+)/.exec(message);
  if (found) return ` at character ${Number(found[1]) + 1}`;
  const [, line, column] = /<input>:(\d+):(\d+)/.exec(stack) ?? [];
  return line ? ` at line ${line}, column ${column}` : "";
}
