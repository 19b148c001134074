import { defineHandler } from "@waystation/sdk";

export default defineHandler({
  on: "{{on}}",
  // {{#publishes}}
  description: "Greets whoever an event names",
  publishes: "{{publishes}}",
  // {{/publishes}}
  // {{^publishes}}
  description: "Greets whoever an event names, in the log",
  // {{/publishes}}
  // What this handler reads of an event's data. Other members may be there.
  data: { name: "string" },
  handle(event, ctx) {
    // {{#publishes}}
    ctx.publish("{{publishes}}", { greeting: `Hello, ${event.data.name}!` });
    // {{/publishes}}
    // {{^publishes}}
    ctx.log.info(`Hello, ${event.data.name}!`);
    // {{/publishes}}
  },
});
