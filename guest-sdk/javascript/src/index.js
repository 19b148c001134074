export { defineHandler } from "./define.js";
export { Reject, Retry } from "./errors.js";
