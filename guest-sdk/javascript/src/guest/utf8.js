// UTF-8, which the engine's own library has not.

export function encode(text) {
  const binary = unescape(encodeURIComponent(String(text).toWellFormed()));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export function decode(bytes, fatal = false) {
  const parts = [];
  for (let i = 0; i < bytes.length; i += 8192) {
    parts.push(String.fromCharCode.apply(null, bytes.subarray(i, i + 8192)));
  }
  const binary = parts.join("");
  // eslint-disable-next-line no-control-regex
  if (!/[^\x00-\x7f]/.test(binary)) return binary;
  try {
    return decodeURIComponent(escape(binary));
  } catch {
    if (fatal) throw new TypeError("the bytes are not UTF-8");
    return lenient(bytes);
  }
}

/** What is no UTF-8 becomes U+FFFD. */
function lenient(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length;) {
    const first = bytes[i];
    const size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    const part = size > 0 ? bytes.subarray(i, i + size) : [];
    let good;
    if (part.length === size && size > 0) {
      try {
        good = decodeURIComponent(Array.from(part, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""));
      } catch {
        good = undefined;
      }
    }
    text += good ?? "\ufffd";
    i += good === undefined ? 1 : size;
  }
  return text;
}

export class TextEncoder {
  encoding = "utf-8";
  encode(text = "") {
    return encode(text);
  }
}

export class TextDecoder {
  encoding = "utf-8";
  #fatal;
  constructor(label = "utf-8", { fatal = false } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder: expected utf-8, found ${label}`);
    this.#fatal = fatal;
  }
  decode(bytes = new Uint8Array()) {
    const view = ArrayBuffer.isView(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes);
    const text = decode(view, this.#fatal);
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}
