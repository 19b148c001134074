// Puts a bundle into the engine, QuickJS.
//
// While the engine is made ready, it is run in a host of the tool's own, which has
// some interfaces of WASI and not others, and so cannot give both the same types.
// For that time our interfaces have other names, of the same length; the version
// keeps them apart from what the engine itself imports.
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentize } from "componentize-qjs";

const WORLD = "javascript-event-handler";
const OURS = /wasi:((?:http|io|clocks|random|cli|filesystem|sockets)(?:\/[a-z-]+)?)@0\.2\.12/g;
const RENAMED = /wasj:(http|io|clocks|random|cli|filesystem|sockets)\//g;

/** The component, as bytes. */
export async function engine(wit, code) {
  const folder = mkdtempSync(join(tmpdir(), "waystation-"));
  try {
    cpSync(wit, folder, { recursive: true });
    for (const name of readdirSync(folder, { recursive: true })) {
      if (name.endsWith(".wit")) renameIn(join(folder, name));
    }
    const jsSource = code.replace(OURS, "wasj:$1@0.2.13");
    const made = await componentize({ witPath: folder, world: WORLD, jsSource, sync: true });
    return Buffer.from(made.component.toString("latin1").replace(RENAMED, "wasi:$1/"), "latin1");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function renameIn(file) {
  writeFileSync(file, readFileSync(file, "utf8").replace(OURS, "wasj:$1@0.2.13"));
}
