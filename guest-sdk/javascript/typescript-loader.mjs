import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

/** TypeScript may be imported without its ending, or by that of what it compiles to. */
export async function resolve(specifier, context, next) {
  if (/^\.{1,2}\//.test(specifier) && context.parentURL?.startsWith("file:")) {
    for (const candidate of [specifier.replace(/\.js$/, ".ts"), `${specifier}.ts`]) {
      const url = new URL(candidate, context.parentURL);
      if (candidate.endsWith(".ts") && existsSync(fileURLToPath(url))) return next(url.href, context);
    }
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!/\.m?ts$/.test(url)) return next(url, context);
  const file = fileURLToPath(url);
  const { code } = transformSync(readFileSync(file, "utf8"), {
    loader: "ts", format: "esm", target: "node20", sourcefile: file, sourcemap: "inline",
  });
  return { format: "module", source: code, shortCircuit: true };
}
