import { Reject, Retry, defineHandler } from "@waystation/sdk";

export default defineHandler({
  on: ["com.example.users.registered.v1"],
  publishes: "com.example.users.greeted.v1",
  state: "seen",
  config: "greeting",
  http: "{{http}}",
  data: { name: "string" },

  async handle(event, ctx) {
    const { name } = event.data;
    if (name === "later") throw new Retry("come back", { afterMs: 60_000 });
    if (name === "never") throw new Reject("not this one");
    if (name === "stuck") await new Promise(() => {});
    if (name === "wrong") ctx.publish("com.example.users.greted.v1", {});

    const order: string[] = [];
    const timer = new Promise<void>((done) => setTimeout(() => { order.push("timer"); done(); }, 5));
    queueMicrotask(() => order.push("job"));
    order.push("first");
    await timer;

    const answers = await Promise.all([1, 2].map(async () => {
      const answer = await fetch("http://{{http}}/eur/CHF", { headers: { "x-test": "all" } });
      return ((await answer.json()) as { rate: number }).rate;
    }));
    const seen = ctx.state("seen");
    const count = seen.increment(name);
    const last = seen.get("last");
    const swapped = [seen.compareAndSwap("last", last, count), seen.compareAndSwap("last", "other", 0)];
    const text = new TextDecoder().decode(new TextEncoder().encode("✓"));
    ctx.publish("com.example.users.greeted.v1", {
      greeting: `${ctx.config("greeting")}, ${name} ${text}`,
      count,
      rates: answers,
      swapped,
      order,
      random: Math.random() !== Math.random(),
      uuid: crypto.randomUUID().length,
      key: ctx.idempotencyKey !== "" && ctx.attempt >= 1,
    }, { partitionKey: name, extensions: { tone: "warm" } });
  },
});
