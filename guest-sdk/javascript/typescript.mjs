// Lets Node.js run TypeScript: `node --import @waystation/sdk/typescript --test`.
import { register } from "node:module";

register("./typescript-loader.mjs", import.meta.url);
