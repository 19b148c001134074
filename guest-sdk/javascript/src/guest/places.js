// Turns places in the bundle into places in the author's files.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** What an exception says, and the author's places that it came from. */
export function explain(error) {
  if (!(error instanceof Error)) return `the handler threw what is no Error: ${typeof error === "string" ? error : typeof error}`;
  const said = error.message ? `${error.name}: ${error.message}` : error.name;
  const places = frames(error.stack ?? "").map((frame) => `  at ${frame}`);
  return [said, ...places].join("\n");
}

export function frames(stack) {
  const lines = decoded();
  const frames = [];
  for (const frame of stack.split("\n")) {
    const [, name, line, column] = /^\s*at (?:(.*?) )?\(?(?:[^()\s]*):(\d+):(\d+)\)?$/.exec(frame) ?? [];
    const segment = line && lines[line - 1]?.findLast(([at]) => at <= column - 1);
    if (!segment) continue;
    const [, source, originalLine, originalColumn] = segment;
    const file = globalThis.__waystationMap.sources[source];
    if (file === null) continue;
    const called = name && name !== "<anonymous>" ? `${name} ` : "";
    frames.push(`${called}(${file}:${originalLine + 1}:${originalColumn + 1})`);
  }
  return frames;
}

let segments;

/** Read at the first exception, and kept for the next ones. */
function decoded() {
  return (segments ??= decode());
}

/** The segments of each line of the bundle: column, source, line, column. */
function decode() {
  const map = globalThis.__waystationMap;
  if (!map) return [];
  let source = 0, line = 0, column = 0;
  return map.mappings.split(";").map((text) => {
    let at = 0;
    return text.split(",").filter(Boolean).map(numbers).filter((n) => n.length >= 4).map((n) => {
      at += n[0];
      source += n[1];
      line += n[2];
      column += n[3];
      return [at, source, line, column];
    });
  });
}

/** Base 64 VLQ, as source maps have it. */
function numbers(text) {
  const found = [];
  let value = 0, shift = 0;
  for (const digit of text) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    found.push(value & 1 ? -(value >>> 1) : value >>> 1);
    value = shift = 0;
  }
  return found;
}
