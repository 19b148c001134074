// Makes a component of a handler package:
//
//     node build.mjs FOLDER FILE.wasm
//
// Type-checks, bundles, and puts the bundle into an engine. What is wrong with the
// author's files goes to stderr, with file and line; the exit code is then 1.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { excerpt, typeErrors } from "./check.mjs";
import { engine } from "./engine.mjs";

const SDK = dirname(fileURLToPath(import.meta.url));
// In a package of `waystation new` the interfaces lie beside the SDK.
const WIT = [join(SDK, "../wit"), join(SDK, "../../wit")].find((folder) => existsSync(join(folder, "javascript.wit")));

/** A mistake of the author, in words. */
class Mistake extends Error {}

const [folder, file] = process.argv.slice(2);
try {
  await main(resolve(folder), resolve(file));
} catch (error) {
  if (!(error instanceof Mistake)) throw error;
  console.error(error.message);
  process.exit(1);
}

async function main(root, file) {
  if (!WIT) throw new Mistake(`the SDK in ${SDK} is not whole: there is no \`javascript.wit\` in ../wit or ../../wit of it`);
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const entry = entryOf(root, manifest);
  const checked = existsSync(join(root, "tsconfig.json")) ? typeErrors(root) : Promise.resolve([]);
  const [errors, bundled] = await Promise.all([checked, settled(bundle(root, entry, manifest))]);
  // A syntax error is found by both; esbuild says it with the line.
  if (bundled.error) throw bundled.error;
  if (errors.length > 0) throw new Mistake(errors.join("\n"));

  // Most of the time is the engine's: it need not be made again for the same bundle.
  const key = digest(bundled.value.code);
  const kept = `${file}.made-of`;
  if (existsSync(file) && existsSync(kept) && readFileSync(kept, "utf8") === key) return;
  const component = await made(bundled.value);
  mkdirSync(dirname(file), { recursive: true });
  rmSync(kept, { force: true });
  writeFileSync(file, component);
  writeFileSync(kept, key);
}

function entryOf(root, { main }) {
  if (typeof main !== "string") {
    throw new Mistake('package.json names no module with the handler\n  add to it\n    "main": "src/handler.ts"');
  }
  const entry = resolve(root, main);
  if (!existsSync(entry)) throw new Mistake(`package.json: \`main\` names \`${main}\`, which is not there`);
  return entry;
}

async function bundle(root, entry, { description }) {
  const contents = [
    `import { component } from ${JSON.stringify(join(SDK, "src/guest/component.js"))};`,
    `import definition from ${JSON.stringify(entry)};`,
    `export const handler = component(definition, ${JSON.stringify(description ?? "")});`,
  ].join("\n");
  let result;
  try {
    result = await build({
      stdin: { contents, resolveDir: root, sourcefile: "waystation-entry.js" },
      absWorkingDir: root,
      outfile: join(root, "handler.js"),
      bundle: true,
      write: false,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      conditions: ["import"],
      target: "es2022",
      // The contract with a handler is one synchronous call; see guest/promise.js.
      supported: { "async-await": false, "async-generator": false, "for-await": false },
      external: ["wasi:*"],
      define: { "process.env.NODE_ENV": '"production"' },
      keepNames: true,
      sourcemap: "external",
      sourcesContent: false,
      logLevel: "silent",
    });
  } catch (error) {
    if (!error.errors) throw error;
    throw new Mistake(error.errors.map((found) => bundlingError(root, found)).join("\n"));
  }
  const text = (end) => result.outputFiles.find(({ path }) => path.endsWith(end)).text;
  const map = places(root, JSON.parse(text(".js.map")));
  // At the end, so that it moves no line.
  const code = `${text(".js")}\nglobalThis.__waystationMap = ${JSON.stringify(map)};\n`;
  return { code, map };
}

/** The part of the source map that a stack needs; the SDK's own files have no name. */
function places(root, { sources, mappings }) {
  const named = (source) => {
    const path = resolve(root, source);
    const own = path.startsWith(`${SDK}/`) || source.endsWith("waystation-entry.js");
    return own ? null : relative(root, path);
  };
  return { sources: sources.map(named), mappings };
}

function bundlingError(root, { text, location }) {
  const node = /Could not resolve "(node:[^"]+|fs|path|http|https|net|os|process|child_process|crypto|url|util|stream|events|buffer)"/.exec(text);
  const said = node
    ? `there is no \`${node[1]}\` in a handler\n  it runs outside of Node.js: without files, and with \`fetch\` and \`ctx\` to reach what it was granted`
    : /No matching export in ".*" for import "default"/.test(text)
      ? "the module exports no handler\n  write\n    export default defineHandler({ on: \"com.example.orders.paid.v1\", handle(event, ctx) {} })"
      : text;
  if (!location || location.file.endsWith("waystation-entry.js")) return said;
  const [what, ...rest] = said.split("\n");
  const { file, line, column, lineText } = location;
  return [`${file}:${line}:${column + 1}: ${what}`, ...excerpt(line, lineText, column), ...rest].join("\n");
}

async function made({ code, map }) {
  try {
    return await engine(WIT, code);
  } catch (error) {
    // The module's own top level has run, and failed.
    const said = /module evaluation: (?:Error: )?([\s\S]*)/.exec(error.message)?.[1];
    if (said === undefined) throw error;
    globalThis.__waystationMap = map;
    const { frames } = await import(pathToFileURL(join(SDK, "src/guest/places.js")).href);
    const [what, ...stack] = said.split("\n");
    const found = frames(stack.join("\n"));
    const place = /\((.*)\)/.exec(found[0] ?? "")?.[1];
    throw new Mistake([`${place ? `${place}: ` : ""}${what}`, ...found.map((frame) => `  at ${frame}`)].join("\n"));
  }
}

/** What the component is made of: the bundle, the SDK and what it stands on. */
function digest(code) {
  const hash = createHash("sha256").update(code);
  for (const name of ["package.json", "build.mjs", "engine.mjs"]) hash.update(readFileSync(join(SDK, name)));
  for (const name of readdirSync(WIT).filter((name) => name.endsWith(".wit")).sort()) hash.update(readFileSync(join(WIT, name)));
  return hash.digest("hex");
}

async function settled(promise) {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}
