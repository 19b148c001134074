// The promises that the guest brings itself behave as those of the language.
import assert from "node:assert/strict";
import test from "node:test";
import { GuestPromise, queueJob, setTimer, settle } from "../src/guest/promise.js";

const wait = () => assert.fail("nothing waits");

test("values and errors come through", () => {
  assert.equal(settle(GuestPromise.resolve(1).then((n) => n + 1), wait), 2);
  assert.throws(() => settle(GuestPromise.reject(new Error("no")), wait), /no/);
  assert.equal(settle(GuestPromise.reject(1).catch((n) => n + 1).finally(() => 9), wait), 2);
  assert.deepEqual(settle(GuestPromise.all([1, GuestPromise.resolve(2)]), wait), [1, 2]);
  assert.equal(settle(GuestPromise.any([GuestPromise.reject(1), 2]), wait), 2);
  assert.equal(settle(GuestPromise.race([new GuestPromise(() => {}), 3]), wait), 3);
  const settled = settle(GuestPromise.allSettled([1, GuestPromise.reject(2)]), wait);
  assert.deepEqual(settled, [{ status: "fulfilled", value: 1 }, { status: "rejected", reason: 2 }]);
  assert.throws(() => settle(GuestPromise.any([GuestPromise.reject(1)]), wait), AggregateError);
});

test("jobs run in order, timers when it is their time", () => {
  const order = [];
  const slept = [];
  const done = new GuestPromise((resolve) => {
    setTimer(() => { order.push("late"); resolve(order); }, 40, []);
    setTimer((value) => order.push(value), 0, ["soon"]);
    queueJob(() => order.push("job"));
    order.push("now");
  });
  assert.deepEqual(settle(done, (ms) => slept.push(ms)), ["now", "job", "soon", "late"]);
  assert(slept.at(-1) > 0);
});

test("a promise that nothing settles is told, and leaves nothing behind", () => {
  assert.throws(() => settle(new GuestPromise(() => {}), wait), /nothing settles/);
  setTimer(() => assert.fail("of the last event"), 0, []);
  assert.equal(settle(GuestPromise.resolve(1), wait), 1);
  assert.equal(settle(GuestPromise.resolve(2), wait), 2);
});
