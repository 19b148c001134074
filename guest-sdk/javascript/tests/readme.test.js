// The snippets of the guide are a package whose types fit and whose tests pass.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { typeErrors } from "../check.mjs";

const sdk = fileURLToPath(new URL("..", import.meta.url));

test("the guide's handler passes the guide's tests", async () => {
  const snippets = Object.fromEntries([...readFileSync(join(sdk, "README.md"), "utf8").matchAll(/```ts (\w+)\n([\s\S]*?)```/g)].map(([, name, code]) => [name, code]));
  assert.deepEqual(Object.keys(snippets), ["handler", "test"]);
  const folder = mkdtempSync(join(tmpdir(), "waystation-"));
  try {
    for (const name of ["src", "test", "node_modules/@waystation"]) mkdirSync(join(folder, name), { recursive: true });
    symlinkSync(sdk, join(folder, "node_modules/@waystation/sdk"));
    symlinkSync(join(sdk, "node_modules/@types"), join(folder, "node_modules/@types"));
    cpSync(join(sdk, "template/tsconfig.json"), join(folder, "tsconfig.json"));
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    writeFileSync(join(folder, "src/handler.ts"), snippets.handler);
    writeFileSync(join(folder, "test/handler.test.ts"), snippets.test);
    assert.deepEqual(await typeErrors(folder), []);
    const env = { ...process.env };
    delete env.NODE_TEST_CONTEXT;
    const said = execFileSync(process.execPath, ["--import", "@waystation/sdk/typescript", "--test", "test/handler.test.ts"], { cwd: folder, env, encoding: "utf8" });
    assert.match(said, /pass 1/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
