/** The event can never be handled: it becomes a dead letter, with this reason. */
export class Reject extends Error {
  name = "Reject";
}

/** The event cannot be handled now: it is tried again. */
export class Retry extends Error {
  name = "Retry";

  constructor(message, { afterMs, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.afterMs = afterMs;
  }
}
