"""The cold chain, without WebAssembly."""

from pathlib import Path

from waystation_sdk.testing import World, event, load

from cold_chain import BROKEN, MEASURED, RESTORED, cold_chain

DUTY = "https://duty.example/now"


def reading(celsius, lorry="L-7"):
    data = {"lorry": lorry, "celsius": celsius, "at": "2030-01-01T12:00:00Z"}
    return event(MEASURED, data)


def world():
    return World().answer("GET", DUTY, json={"name": "Ada"})


def types(world, readings):
    attempts = [world.deliver(cold_chain, reading(celsius)) for celsius in readings]
    return [draft.type for attempt in attempts for draft in attempt.drafts]


def test_one_warm_reading_is_a_door():
    assert types(world(), [4, 5, 21, 4, 5]) == []


def test_duty_hears_once_of_a_warm_cargo_and_once_that_it_is_cold_again():
    assert types(world(), [4, 9, 9, 9, 9, 4, 4, 4]) == [BROKEN, RESTORED]


def test_what_is_published_names_the_lorry_and_who_is_on_duty():
    attempt = world().deliver(cold_chain, reading(12.5))
    draft = attempt.only_draft
    assert draft.json() == {
        "lorry": "L-7",
        "median": 12.5,
        "since": "2030-01-01T12:00:00+00:00",
        "duty": "Ada",
    }
    assert (draft.subject, draft.extensions) == ("L-7", {"partitionkey": "L-7"})
    assert [call.url for call in attempt.calls] == [DUTY]


def test_the_operator_sets_the_limit():
    warm = World(config={"celsius_max": "30"})
    assert warm.deliver(cold_chain, reading(12.5)).drafts == []


def test_duty_that_is_busy_is_asked_again_later():
    busy = World().answer("GET", DUTY, status=503, headers={"retry-after": "30"})
    attempt = busy.deliver(cold_chain, reading(12.5))
    assert (attempt.outcome, attempt.after) == ("retry", 30)
    assert "GET https://duty.example/now answered 503" in attempt.reason
    assert busy.state("lorries", "L-7") is None


def test_a_broken_thermometer_is_never_tried_again():
    assert world().deliver(cold_chain, reading(850)).outcome == "reject"


def test_the_sample_event_is_handled():
    sample = load(Path(__file__).parent.parent / "event.json")
    assert world().deliver(cold_chain, sample).outcome == "ack"
