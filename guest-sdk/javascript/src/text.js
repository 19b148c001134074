// Values as people read them.

/** What a value is, never what it says: payloads must not get into messages. */
export function kind(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  switch (typeof value) {
    case "undefined": return "nothing";
    case "object": return "an object";
    case "boolean": return "a boolean";
    default: return `a ${typeof value}`;
  }
}

/** A line for the log, as `console.log` would make it of its arguments. */
export function line(values) {
  return values.map((value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return value.stack?.includes(value.message) ? value.stack : `${value}\n${value.stack ?? ""}`;
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  }).join(" ");
}

/** ` (did you mean ...?)` when one of the names is near the wanted one, else nothing. */
export function didYouMean(wanted, names) {
  const near = names
    .map((name) => ({ name, distance: distance(wanted, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near ? `; did you mean \`${near.name}\`?` : "";
}

function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
