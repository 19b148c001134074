"""A handler and its attempts, as an author's tests see them."""

import datetime
import logging
from dataclasses import dataclass

import pytest

from waystation_sdk import Context, Event, HttpError, Reject, Retry, handler
from waystation_sdk.testing import World, deliver, event

ON, DONE = "com.example.probe.v1", "com.example.probed.v1"


@dataclass
class Order:
    do: str


@handler(on=[ON, "com.example.others.*"], publishes=DONE, state="notes", config="region",
         secrets="token", http="rates.example")
def probe(event: Event[Order], ctx: Context) -> None:
    """Does what it is told.

    And no more.
    """
    match event.data.do:
        case "publish":
            ctx.publish(DONE, {"attempt": ctx.attempt}, subject="s", partition_key="k")
        case "typo":
            ctx.publish("com.example.probd.v1")
        case "fail":
            logging.warning("soon")
            ctx.publish(DONE)
            ctx.state("notes").set("a", 1)
            raise KeyError("nowhere")
        case "reject":
            raise Reject("never")
        case "later":
            raise Retry("not now", after=1.5)
        case "count":
            ctx.state("notes").increment("count", 2)
        case "swap":
            assert ctx.state("notes").compare_and_swap("a", None, {"b": 1})
            assert not ctx.state("notes").compare_and_swap("a", None, 2)
        case "undeclared":
            ctx.state("note")
        case "unset":
            ctx.config("region")
        case "call":
            ctx.http.get("https://rates.example/usd?key=secret").raise_for_status()
        case "world":
            ctx.publish(DONE, [ctx.now(), ctx.random.random(), ctx.secret("token")])
        case "print":
            print("printed")


def told(do, world=None, **more):
    return (world or World()).deliver(probe, event(ON, {"do": do}), **more)


def test_what_it_says_of_itself():
    assert probe.description == "Does what it is told."
    assert (probe.publishes, probe.order, probe.instances) == ((DONE,), "none", "reused")
    assert probe.takes("com.example.others.deep.v1", "/any", None)
    assert not probe.takes("com.example.other.v1", "/any", None)


def test_drafts_are_seen():
    draft = told("publish", attempt=3).only_draft
    assert (draft.type, draft.json(), draft.subject) == (DONE, {"attempt": 3}, "s")
    assert draft.extensions == {"partitionkey": "k"}


def test_an_exception_is_a_retry_with_its_line_and_without_effects():
    world = World()
    attempt = told("fail", world)
    assert attempt.outcome == "retry"
    assert attempt.reason.startswith("KeyError: 'nowhere' (at ")
    assert "test_handler.py:" in attempt.reason and attempt.reason.endswith(" in probe)")
    assert attempt.drafts == [] and world.state("notes", "a") is None
    assert attempt.logs[:2] == ["WARNING soon", "ERROR Traceback (most recent call last):"]
    assert attempt.logs[-1] == "ERROR KeyError: 'nowhere'"
    assert isinstance(attempt.error, KeyError)
    with pytest.raises(AssertionError, match="retry: KeyError"):
        attempt.only_draft


def test_reject_and_retry_are_what_they_say():
    assert (told("reject").outcome, told("reject").reason) == ("reject", "never")
    assert (told("later").outcome, told("later").after) == ("retry", 1.5)
    wrong = deliver(probe, event(ON, {"do": 1}))
    assert (wrong.outcome, wrong.reason) == ("reject", "data.do: expected a string")
    text = deliver(probe, event(ON, b"hello", data_content_type="text/plain"))
    assert text.outcome == "reject" and "datacontenttype" in text.reason


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("typo", f"did you mean `{DONE}`?"),
        ("undeclared", "did you mean `notes`?"),
        ("unset", "`region` is not set: the operator sets it under [config]"),
    ],
)
def test_a_wrong_name_is_said_with_what_was_meant(do, said):
    attempt = told(do)
    assert attempt.outcome == "retry" and said in attempt.reason


def test_state_stays_from_one_event_to_the_next():
    world = World(state={"notes": {"count": 5}})
    told("count", world)
    told("count", world)
    told("swap", world)
    assert world.state("notes", "count") == 9
    assert world.state("notes", "a") == {"b": 1}


def test_calls_are_answered_and_seen():
    url = "https://rates.example/usd?key=secret"
    attempt = told("call", World().answer("GET", url, status=503, headers={"retry-after": "9000"}))
    assert attempt.reason.startswith("waystation_sdk.HttpError: GET https://rates.example/usd ")
    assert "secret" not in attempt.reason
    assert (attempt.outcome, attempt.after) == ("retry", 3600)
    assert [call.url for call in attempt.calls] == [url]
    lost = told("call", World().answer("GET", url, error="nobody there"))
    assert isinstance(lost.error, HttpError)
    with pytest.raises(AssertionError, match="World.answer"):
        told("call")


def test_time_and_chance_are_set():
    now = datetime.datetime(2031, 5, 5, tzinfo=datetime.timezone.utc)
    world = World(now=now, seed=7, secrets={"token": "t"})
    first, second = (told("world", world).only_draft.json() for _ in range(2))
    assert first == second and first[0] == now.isoformat() and first[2] == "t"


def test_what_is_printed_is_a_line_of_the_log():
    assert told("print").logs == ["printed"]


def test_an_event_that_it_does_not_ask_for_is_a_mistake_of_the_test():
    with pytest.raises(AssertionError, match="does not subscribe"):
        deliver(probe, event("com.example.nothing.v1"))


def test_mistakes_in_the_decorator_are_said_where_they_are():
    with pytest.raises(TypeError, match="two parameters"):
        handler(on=ON)(lambda event: None)
    with pytest.raises(ValueError, match="`order` is 'none' or 'key', not 'keys'"):
        handler(on=ON, order="keys")
