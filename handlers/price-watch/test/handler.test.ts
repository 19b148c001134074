import assert from "node:assert/strict";
import test from "node:test";
import { World, deliver, event } from "@waystation/sdk/testing";
import handler from "../src/handler.ts";

const observed = (data: unknown) => event("com.example.prices.observed.v1", data);

test("a drop is told, and the price is remembered", async () => {
  const world = new World().withState("prices", { lamp: 50 });
  const attempt = await world.deliver(handler, observed({ product: "lamp", price: 40 }));
  attempt.assertAck();
  assert.deepEqual(attempt.onlyDraft().data, { product: "lamp", from: 50, to: 40, percent: 20 });
  assert.equal(world.state("prices", "lamp"), 40);
  assert.equal(attempt.log[0]?.text, "lamp costs 40");
});

test("a small drop is not told", async () => {
  const world = new World().withState("prices", { lamp: 50 }).withConfig("percent", "30");
  const attempt = await world.deliver(handler, observed({ product: "lamp", price: 40 }));
  assert.deepEqual(attempt.assertAck().drafts, []);
});

test("another currency is exchanged, when the rates answer", async () => {
  const world = new World()
    .answer("GET", "https://rates.example/eur/CHF", 503)
    .answer("GET", "https://rates.example/eur/CHF", 200, { rate: 1.1 });
  const francs = observed({ product: "lamp", price: 100, currency: "CHF" });
  const first = await world.deliver(handler, francs);
  assert.equal(first.assertRetry("answered 503").outcome.afterMs, 30_000);
  assert.equal(world.state("prices", "lamp"), undefined);
  (await world.deliver(handler, francs, { attempt: 2 })).assertAck();
  assert.equal(Math.round(world.state<number>("prices", "lamp") ?? 0), 110);
});

test("what is no price is rejected", async () => {
  (await deliver(handler, observed({ product: "lamp", price: -1 }))).assertReject("not above 0");
  (await deliver(handler, observed({ product: "lamp", price: "cheap" }))).assertReject("$.price");
});
