from pathlib import Path

from waystation_sdk.testing import deliver, load

from {{module}} import handle

FIRST = Path(__file__).parent.parent / "cases" / "first" / "event.json"


def test_the_first_case_is_handled():
    attempt = deliver(handle, load(FIRST))
    assert attempt.outcome == "ack", attempt.reason
# {{#publishes}}
    assert attempt.only_draft.type == "{{publishes}}"
    assert attempt.only_draft.json() == {"greeting": "Hello, Ada!"}
# {{/publishes}}
# {{^publishes}}
    assert attempt.logs == ["INFO Hello, Ada!"]
# {{/publishes}}
