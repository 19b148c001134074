import { Reject } from "./errors.js";
import { kind } from "./text.js";

const SIMPLE = ["string", "number", "boolean", "unknown"];

/** Makes a check of JSON data, which names the place of what does not fit. */
export function shape(wanted) {
  verify(wanted, "$");
  return (data) => {
    check(wanted, data, "$");
    return data;
  };
}

function verify(wanted, path) {
  if (typeof wanted === "string") {
    if (!SIMPLE.includes(wanted.replace(/\?$/, ""))) {
      throw new TypeError(`defineHandler: in \`data\` at ${path} expected one of ${SIMPLE.map((s) => `"${s}"`).join(", ")}, found "${wanted}"`);
    }
  } else if (Array.isArray(wanted)) {
    if (wanted.length !== 1) throw new TypeError(`defineHandler: in \`data\` at ${path} expected an array of the one shape of all elements`);
    verify(wanted[0], `${path}[]`);
  } else if (wanted !== null && typeof wanted === "object") {
    for (const [key, inner] of Object.entries(wanted)) verify(inner, `${path}.${key}`);
  } else {
    throw new TypeError(`defineHandler: in \`data\` at ${path} expected a string, an array or an object, found ${kind(wanted)}`);
  }
}

function check(wanted, data, path) {
  if (typeof wanted === "string") {
    const type = wanted.replace(/\?$/, "");
    if (data === undefined && type !== wanted) return;
    if (type === "unknown" || typeof data === type) return;
    throw new Reject(`the data does not fit at ${path}: expected a ${type}, found ${kind(data)}`);
  }
  if (Array.isArray(wanted)) {
    if (!Array.isArray(data)) throw new Reject(`the data does not fit at ${path}: expected an array, found ${kind(data)}`);
    data.forEach((element, index) => check(wanted[0], element, `${path}[${index}]`));
    return;
  }
  if (data === null || typeof data !== "object" || Array.isArray(data)) {
    throw new Reject(`the data does not fit at ${path}: expected an object, found ${kind(data)}`);
  }
  for (const [key, inner] of Object.entries(wanted)) check(inner, data[key], `${path}.${key}`);
}
