// Lets Node.js run TypeScript: `node --import @waystation/sdk/typescript --test`.
import { register } from "node:module";

// So that a stack names the lines of the author's file.
process.setSourceMapsEnabled(true);

register("./typescript-loader.mjs", import.meta.url);
