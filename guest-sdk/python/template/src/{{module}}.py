"""Handles events of the type `{{on}}`."""

# {{^publishes}}
import logging
# {{/publishes}}
from dataclasses import dataclass

from waystation_sdk import Context, Event, handler


@dataclass
class Received:
    """What this handler reads of an event's data. Other members may be there."""

    name: str


# {{#publishes}}
@handler(on="{{on}}", publishes="{{publishes}}")
def handle(event: Event[Received], ctx: Context) -> None:
    """Greets whoever an event names."""
    ctx.publish("{{publishes}}", {"greeting": f"Hello, {event.data.name}!"})
# {{/publishes}}
# {{^publishes}}
@handler(on="{{on}}")
def handle(event: Event[Received], ctx: Context) -> None:
    """Greets whoever an event names, in the log."""
    logging.info("Hello, %s!", event.data.name)
# {{/publishes}}
