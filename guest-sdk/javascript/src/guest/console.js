// `console`: lines of the host's log.
import logging from "wasi:logging/logging@0.1.0-draft";
import { line } from "../text.js";

export function log(level, message) {
  logging.log(level, "", message.toWellFormed());
}

const to = (level) => (...values) => log(level, line(values));

export const console = {
  log: to("info"),
  info: to("info"),
  debug: to("debug"),
  trace: to("trace"),
  warn: to("warn"),
  error: to("error"),
  assert(truth, ...values) {
    if (!truth) log("error", line(["assertion failed:", ...values]));
  },
};
