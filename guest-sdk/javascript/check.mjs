// What TypeScript has to say about a package, as people read it.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";

const LINE = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/;

/** The errors, each with its place and its line. */
export function typeErrors(root) {
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const tsc = join(dirname(manifest), JSON.parse(readFileSync(manifest, "utf8")).bin.tsc);
  return new Promise((done, fail) => {
    execFile(process.execPath, [tsc, "--noEmit", "--pretty", "false", "-p", root], { cwd: root, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (!error) return done([]);
      if (typeof error.code !== "number") return fail(error);
      done(errors(root, stdout || stderr));
    });
  });
}

function errors(root, output) {
  const found = [];
  for (const text of output.split("\n").filter(Boolean)) {
    const [, file, line, column, code, what] = LINE.exec(text) ?? [];
    if (file) {
      const path = resolve(root, file);
      const source = readFileSync(path, "utf8").split("\n")[line - 1] ?? "";
      const name = relative(root, path);
      found.push([`${name}:${line}:${column}: ${what} (${code})`, ...excerpt(line, source, column - 1)].join("\n"));
    } else if (found.length > 0 && text.startsWith(" ")) {
      found[found.length - 1] += `\n${text}`;
    } else {
      found.push(text);
    }
  }
  return found;
}

/** A line of source with a mark below the column, from 0. */
export function excerpt(line, text, column) {
  const margin = `  ${line} | `;
  const indent = text.slice(0, column).replace(/[^\t]/g, " ");
  return [`${margin}${text}`, `${" ".repeat(margin.length)}${indent}^`];
}
