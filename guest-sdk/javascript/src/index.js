export { defineHandler } from "./define.js";
export { Reject, Retry } from "./errors.js";
export { shape } from "./shape.js";
