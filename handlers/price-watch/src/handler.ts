import { Reject, Retry, defineHandler } from "@waystation/sdk";
import { dropped } from "./history.ts";

export default defineHandler({
  on: "com.example.prices.observed.v1",
  description: "Remembers the prices of products and tells when one drops, in euros",
  publishes: "com.example.prices.dropped.v1",
  order: "key",
  state: "prices",
  config: ["percent", "rates"],
  http: "rates.example",
  data: { product: "string", price: "number", currency: "string?" },

  async handle(event, ctx) {
    const { product, price, currency = "EUR" } = event.data;
    if (!(price > 0)) throw new Reject(`the price of \`${product}\` is not above 0`);
    const euros = price * (currency === "EUR" ? 1 : await rate(currency, ctx.config("rates", "https://rates.example")));

    const prices = ctx.state("prices");
    const last = prices.get<number>(product);
    prices.set(product, euros);
    console.log(`${product} costs`, euros);
    if (last === undefined) return;
    const percent = dropped(last, euros);
    if (percent >= Number(ctx.config("percent", "10"))) {
      ctx.publish("com.example.prices.dropped.v1", { product, from: last, to: euros, percent }, { subject: product });
    }
  },
});

/** What one unit of a currency is worth in euros. */
async function rate(currency: string, server: string): Promise<number> {
  const answer = await fetch(`${server}/eur/${encodeURIComponent(currency)}`);
  if (answer.status === 404) throw new Reject(`there is no rate for \`${currency}\``);
  if (!answer.ok) throw new Retry(`the rates answered ${answer.status}`, { afterMs: 30_000 });
  const { rate } = await answer.json() as { rate: number };
  return rate;
}
