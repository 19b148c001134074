// `fetch` over wasi:http. It blocks: a handler serves one event at a time.
import http from "wasi:http/types@0.2.12";
import outgoing from "wasi:http/outgoing-handler@0.2.12";
import poll from "wasi:io/poll@0.2.12";
import { decode, encode } from "./utf8.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const CHUNK = 4096;

export class Headers {
  #values = new Map();

  constructor(init = []) {
    const entries = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of entries) this.append(name, value);
  }
  append(name, value) {
    const key = name.toLowerCase();
    this.#values.set(key, this.#values.has(key) ? `${this.#values.get(key)}, ${value}` : String(value));
  }
  set(name, value) {
    this.#values.set(name.toLowerCase(), String(value));
  }
  get(name) {
    return this.#values.get(name.toLowerCase()) ?? null;
  }
  has(name) {
    return this.#values.has(name.toLowerCase());
  }
  delete(name) {
    this.#values.delete(name.toLowerCase());
  }
  forEach(act) {
    for (const [name, value] of this) act(value, name, this);
  }
  *entries() {
    yield* [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1));
  }
  [Symbol.iterator]() {
    return this.entries();
  }
}

export class Response {
  #bytes;

  constructor(body, { status = 200, headers, url = "" } = {}) {
    this.#bytes = body instanceof Uint8Array ? body : encode(body ?? "");
    this.status = status;
    this.ok = status >= 200 && status < 300;
    this.statusText = "";
    this.redirected = false;
    this.url = url;
    this.headers = headers instanceof Headers ? headers : new Headers(headers);
    this.bodyUsed = false;
  }
  #take() {
    if (this.bodyUsed) throw new TypeError("the body of the answer was read before");
    this.bodyUsed = true;
    return this.#bytes;
  }
  async bytes() {
    return this.#take();
  }
  async arrayBuffer() {
    const bytes = this.#take();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }
  async text() {
    return decode(this.#take());
  }
  async json() {
    return JSON.parse(decode(this.#take()));
  }
}

export async function fetch(url, { method = "GET", headers, body } = {}) {
  const verb = String(method).toUpperCase();
  const target = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(String(url));
  if (!target) throw new TypeError("fetch: expected an URL that begins with https:// or http://");
  const [, scheme, authority, path] = target;
  const sent = new Headers(headers);
  const content = body === undefined || body === null ? undefined : bytesOf(body);
  if (typeof body === "string" && !sent.has("content-type")) sent.set("content-type", "text/plain;charset=UTF-8");

  const fields = http.Fields.fromList([...sent].map(([name, value]) => [name, encode(value)]));
  const request = new http.OutgoingRequest(fields);
  request.setMethod(METHODS.includes(verb) ? { tag: verb.toLowerCase() } : { tag: "other", val: verb });
  request.setScheme({ tag: scheme.toUpperCase() });
  request.setAuthority(authority);
  request.setPathWithQuery(path.startsWith("/") ? path : `/${path}`);

  const what = `${verb} ${scheme.toLowerCase()}://${authority}`;
  return called(what, () => {
    const output = request.body();
    const answer = outgoing.handle(request, undefined);
    write(output, content);
    return read(answer, String(url));
  });
}

function bytesOf(body) {
  if (typeof body === "string") return encode(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw new TypeError("fetch: expected a body that is a string or bytes");
}

function write(output, content) {
  if (content !== undefined) {
    const stream = output.write();
    for (let i = 0; i < content.length; i += CHUNK) stream.blockingWriteAndFlush(content.slice(i, i + CHUNK));
    stream[Symbol.dispose]();
  }
  http.OutgoingBody.finish(output, undefined);
}

function read(future, url) {
  const ready = future.subscribe();
  poll.poll([ready]);
  ready[Symbol.dispose]();
  const outer = future.get();
  const inner = outer.tag === "ok" ? outer.val : outer;
  if (inner.tag !== "ok") throw { payload: inner.val };
  const response = inner.val;

  const headers = new Headers();
  for (const [name, value] of response.headers().entries()) headers.append(name, decode(value));
  const status = response.status();
  const incoming = response.consume();
  const stream = incoming.stream();
  const parts = [];
  for (;;) {
    try {
      const part = stream.blockingRead(65536);
      parts.push(part);
    } catch (error) {
      if (error?.payload?.tag === "closed") break;
      throw error;
    }
  }
  stream[Symbol.dispose]();
  http.IncomingBody.finish(incoming)[Symbol.dispose]();
  future[Symbol.dispose]();
  return new Response(joined(parts), { status, headers, url });
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** As everywhere, a call that fails throws a TypeError; this one says why. */
function called(what, act) {
  try {
    return act();
  } catch (error) {
    const code = error?.payload?.tag;
    if (code === undefined) throw error;
    const why = code.toLowerCase() === "http-request-denied"
      ? "it is not granted\n  name the host in `http` of defineHandler, and grant it in the sidecar"
      : `${code.replace(/-/g, " ")}${typeof error.payload.val === "string" ? `: ${error.payload.val}` : ""}`;
    throw new TypeError(`${what} failed: ${why}`, { cause: error.payload });
  }
}
