import assert from "node:assert/strict";
import test from "node:test";
import { deliver, parse } from "@waystation/sdk/testing";
import handler from "../src/handler.ts";

test("the first case is handled", async () => {
  const attempt = await deliver(handler, parse("cases/first/event.json"));
  attempt.assertAck();
  // {{#publishes}}
  assert.deepEqual(attempt.onlyDraft().data, { greeting: "Hello, Ada!" });
  // {{/publishes}}
  // {{^publishes}}
  assert.equal(attempt.log[0]?.text, "Hello, Ada!");
  // {{/publishes}}
});
