// Promises whose jobs the guest itself runs. The contract with a handler is one
// synchronous call, in which the engine runs no jobs of its own; the build turns
// `async` and `await` into generators over this class.

const jobs = [];
const timers = [];
let timerId = 0;

export class GuestPromise {
  #state = "pending";
  #value;
  #waiting = [];

  constructor(executor) {
    if (typeof executor !== "function") throw new TypeError("Promise: expected a function");
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  #settlers() {
    let done = false;
    const once = (act) => (value) => {
      if (done) return;
      done = true;
      act(value);
    };
    return { resolve: once((value) => this.#resolve(value)), reject: once((error) => this.#settle("rejected", error)) };
  }

  #resolve(value) {
    if (value === this) return this.#settle("rejected", new TypeError("a promise cannot wait for itself"));
    if (value === null || (typeof value !== "object" && typeof value !== "function")) return this.#settle("fulfilled", value);
    let then;
    try {
      then = value.then;
    } catch (error) {
      return this.#settle("rejected", error);
    }
    if (typeof then !== "function") return this.#settle("fulfilled", value);
    const { resolve, reject } = this.#settlers();
    jobs.push(() => {
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state, value) {
    this.#state = state;
    this.#value = value;
    for (const wake of this.#waiting) jobs.push(wake);
    this.#waiting = [];
  }

  then(onFulfilled, onRejected) {
    return new this.constructor((resolve, reject) => {
      const wake = () => {
        const handler = this.#state === "fulfilled" ? onFulfilled : onRejected;
        if (typeof handler !== "function") return this.#state === "fulfilled" ? resolve(this.#value) : reject(this.#value);
        try {
          resolve(handler(this.#value));
        } catch (error) {
          reject(error);
        }
      };
      if (this.#state === "pending") this.#waiting.push(wake);
      else jobs.push(wake);
    });
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(act) {
    const C = this.constructor;
    return typeof act !== "function" ? this.then(act, act) : this.then(
      (value) => C.resolve(act()).then(() => value),
      (error) => C.resolve(act()).then(() => { throw error; }),
    );
  }

  get [Symbol.toStringTag]() {
    return "Promise";
  }

  static get [Symbol.species]() {
    return this;
  }

  static resolve(value) {
    return value instanceof GuestPromise && value.constructor === this ? value : new this((resolve) => resolve(value));
  }

  static reject(error) {
    return new this((_, reject) => reject(error));
  }

  static withResolvers() {
    let resolve, reject;
    const promise = new this((a, b) => { resolve = a; reject = b; });
    return { promise, resolve, reject };
  }

  static try(act, ...values) {
    return new this((resolve) => resolve(act(...values)));
  }

  static all(values) {
    return this.#gather(values, (value) => value, undefined);
  }

  static allSettled(values) {
    return this.#gather(values, (value) => ({ status: "fulfilled", value }), (reason) => ({ status: "rejected", reason }));
  }

  static any(values) {
    const all = [...values];
    const errors = [];
    let open = all.length;
    return new this((resolve, reject) => {
      const none = () => reject(new AggregateError(errors, "All promises were rejected"));
      if (open === 0) none();
      all.forEach((value, index) => this.resolve(value).then(resolve, (error) => {
        errors[index] = error;
        if (--open === 0) none();
      }));
    });
  }

  static race(values) {
    return new this((resolve, reject) => {
      for (const value of values) this.resolve(value).then(resolve, reject);
    });
  }

  static #gather(values, fulfilled, rejected) {
    const all = [...values];
    const results = new Array(all.length);
    let open = all.length;
    return new this((resolve, reject) => {
      if (open === 0) resolve(results);
      all.forEach((value, index) => {
        const put = (of) => (value) => {
          results[index] = of(value);
          if (--open === 0) resolve(results);
        };
        this.resolve(value).then(put(fulfilled), rejected ? put(rejected) : reject);
      });
    });
  }
}

export function queueJob(job) {
  jobs.push(job);
}

export function setTimer(act, delay, values) {
  timers.push({ id: ++timerId, at: Date.now() + Math.max(0, Number(delay) || 0), act: () => act(...values) });
  timers.sort((a, b) => a.at - b.at || a.id - b.id);
  return timerId;
}

export function clearTimer(id) {
  const index = timers.findIndex((timer) => timer.id === id);
  if (index >= 0) timers.splice(index, 1);
}

/**
 * Runs jobs and timers until the promise is settled, and gives its value.
 * What is left then ends with the event: an instance serves others after it.
 */
export function settle(promise, sleep) {
  let done;
  promise.then((value) => { done = { value }; }, (error) => { done = { error }; });
  try {
    while (!done) {
      if (jobs.length > 0) {
        for (const job of jobs.splice(0)) job();
      } else if (timers.length > 0) {
        const timer = timers.shift();
        const pause = timer.at - Date.now();
        if (pause > 0) sleep(pause);
        timer.act();
      } else {
        throw new Error("the handler waits for a promise that nothing settles");
      }
    }
  } finally {
    jobs.length = 0;
    timers.length = 0;
  }
  if ("error" in done) throw done.error;
  return done.value;
}
