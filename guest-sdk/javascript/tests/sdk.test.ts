import assert from "node:assert/strict";
import test from "node:test";
import { Reject, Retry, defineHandler } from "@waystation/sdk";
import { World, deliver, event } from "@waystation/sdk/testing";

const seen = (data?: unknown) => event("test.seen.v1", data);

test("data is typed by its shape, and what does not fit is named by its place", async () => {
  const handler = defineHandler({
    on: "test.seen.v1",
    publishes: "test.summed.v1",
    data: { lines: [{ pieces: "number", note: "string?" }] },
    handle(event, ctx) {
      const pieces: number[] = event.data.lines.map((line) => line.pieces);
      const note: string | undefined = event.data.lines[0]?.note;
      // @ts-expect-error there is no such member
      event.data.line;
      ctx.publish("test.summed.v1", { sum: pieces.reduce((a, b) => a + b, 0), note });
    },
  });
  const good = await deliver(handler, seen({ lines: [{ pieces: 1 }, { pieces: 2, note: "x" }], more: 1 }));
  assert.deepEqual(good.onlyDraft().data, { sum: 3 });
  for (const [data, reason] of [
    [{ lines: [{ pieces: 1 }, { pieces: "secret" }] }, "at $.lines[1].pieces: expected a number, found a string"],
    [{ lines: {} }, "at $.lines: expected an array, found an object"],
    [null, "at $: expected an object, found null"],
    [undefined, "at $: expected an object, found nothing"],
  ] as const) {
    const { outcome } = (await deliver(handler, seen(data))).assertReject(reason);
    assert(!outcome.reason?.includes("secret"));
  }
});

test("data that is no JSON is a reject that does not show it", async () => {
  const handler = defineHandler({ on: "test.seen.v1", handle() {} });
  const bytes = { id: "1", source: "/t", type: "test.seen.v1", data_base64: Buffer.from('{"secret').toString("base64") };
  const { outcome } = (await deliver(handler, bytes)).assertReject("the data is not JSON");
  assert(!outcome.reason?.includes("secret"));
});

test("a function may check the data", async () => {
  const handler = defineHandler({
    on: "test.seen.v1",
    data(data: unknown): { n: number } {
      if (typeof data !== "object") throw new Error("no object");
      return data as { n: number };
    },
    handle(event) {
      const n: number = event.data.n;
      if (n !== 1) throw new Error(`${n}`);
    },
  });
  (await deliver(handler, seen({ n: 1 }))).assertAck();
  (await deliver(handler, seen("x"))).assertReject("does not fit: no object");
});

test("exceptions are a retry with their place, and two have a meaning", async () => {
  const failing = (error: unknown) => deliver(defineHandler({ on: "test.*", async handle() { await null; throw error; } }), seen());
  (await failing(new TypeError("boom"))).assertRetry("sdk.test.ts");
  (await failing("text")).assertRetry("threw what is no Error");
  (await failing(new Reject("never"))).assertReject("never");
  assert.equal((await failing(new Retry("later", { afterMs: 5 }))).assertRetry("later").outcome.afterMs, 5);
});

test("nothing of a failed attempt stays", async () => {
  const handler = defineHandler({
    on: "test.seen.v1",
    publishes: "test.done.v1",
    state: "n",
    handle(_event, ctx) {
      ctx.state("n").increment("calls");
      ctx.publish("test.done.v1");
      if (ctx.attempt === 1) throw new Error("first");
    },
  });
  const world = new World().withState("n", { calls: 5 });
  assert.equal((await world.deliver(handler, seen())).assertRetry().drafts.length, 0);
  assert.equal(world.state("n", "calls"), 5);
  (await world.deliver(handler, seen(), { attempt: 2 })).draft("test.done.v1");
  assert.equal(world.state("n", "calls"), 6);
});

test("clock and chance are the test's", async () => {
  const handler = defineHandler({
    on: "test.seen.v1",
    publishes: "test.done.v1",
    handle(_event, ctx) {
      ctx.publish("test.done.v1", { at: new Date().toISOString(), now: Date.now(), random: [Math.random(), Math.random()] });
    },
  });
  const world = new World().withNow("2026-01-31T12:00:00Z").withRandom(0.25, 0.5);
  world.advance(1000);
  const { data } = (await world.deliver(handler, seen())).onlyDraft();
  assert.deepEqual(data, { at: "2026-01-31T12:00:01.000Z", now: Date.parse("2026-01-31T12:00:01Z"), random: [0.25, 0.5] });
  assert(Date.now() > Date.parse("2026-02-01"));
});

test("what was not asked for is refused, with what was meant", async () => {
  const refusing = async (act: (ctx: any) => unknown, reason: string) => {
    const handler = defineHandler({
      on: "test.seen.v1", publishes: "test.done.v1", state: "orders", config: "region", secrets: "token", http: "a.example",
      handle: async (_event, ctx) => void await act(ctx),
    });
    (await deliver(handler, seen())).assertRetry(reason);
  };
  await refusing((ctx) => ctx.publish("test.dnoe.v1"), "did you mean `test.done.v1`?");
  await refusing((ctx) => ctx.state("order"), "did you mean `orders`?");
  await refusing((ctx) => ctx.config("regoin"), "did you mean `region`?");
  await refusing((ctx) => ctx.config("region"), "there is no value for `region`");
  await refusing((ctx) => ctx.secret("tokn"), "did you mean `token`?");
  await refusing(() => fetch("https://b.example/"), "it is not granted");
  await refusing(() => fetch("https://a.example/"), "no answer for GET https://a.example/");
  await refusing((ctx) => ctx.publish("test.done.v1", () => {}), "cannot be written as JSON");
});

test("a mistake in a definition is said at once", () => {
  const wrong = (options: object, message: RegExp) => assert.throws(() => defineHandler(options as any), message);
  wrong({ on: "a", handel() {} }, /no option `handel`; did you mean `handle`\?/);
  wrong({ handle() {} }, /`on`/);
  wrong({ on: "a", handle: 1 }, /expected `handle` to be a function, found a number/);
  wrong({ on: "a", handle() {}, order: "keys" }, /expected `order` to be "none" or "key", found "keys"/);
  wrong({ on: "a", handle() {}, data: { a: "text" } }, /in `data` at \$\.a expected one of/);
});

test("a test's own mistakes end it", async () => {
  const handler = defineHandler({ on: "test.other.*", handle() {} });
  await assert.rejects(deliver(handler, seen()), /not for the type `test.seen.v1`/);
  await assert.rejects(deliver({} as any, seen()), /expected a handler/);
});

test("a stack names the lines of a file in TypeScript", async () => {
  const { readFileSync } = await import("node:fs");
  interface Erased {
    some: string;
  }
  const erased: Erased = { some: "lines that are gone when it runs" };
  const stack = new Error(erased.some).stack ?? ""; // here
  const lines = readFileSync(new URL(import.meta.url), "utf8").split("\n");
  const here = lines.findIndex((line) => line.endsWith("; // here")) + 1;
  assert.match(stack, new RegExp(`sdk\\.test\\.ts:${here}:`));
});
