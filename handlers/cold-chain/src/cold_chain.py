"""Watches the cold chain of lorries.

A thermometer beside a door that opens tells nothing of the cargo. So what counts is the
median of the last readings, and who is on duty hears of it once, not at each reading.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from datetime import datetime

from waystation_sdk import Context, Event, Reject, handler

MEASURED = "com.example.logistics.temperature-measured.v1"
BROKEN = "com.example.logistics.cold-chain-broken.v1"
RESTORED = "com.example.logistics.cold-chain-restored.v1"

READINGS = 5
COLDEST, HOTTEST = -90.0, 90.0


@dataclass
class Measured:
    """A reading of a lorry's thermometer."""

    lorry: str
    celsius: float
    at: datetime


@dataclass
class Chain:
    """What is known of a lorry."""

    readings: list[float] = field(default_factory=list)
    is_broken: bool = False


@handler(
    on=MEASURED,
    publishes=[BROKEN, RESTORED],
    state="lorries",
    config="celsius_max",
    http="duty.example",
    order="key",
)
def cold_chain(event: Event[Measured], ctx: Context) -> None:
    """Tells who is on duty when the cargo of a lorry becomes too warm, and when it is
    cold again."""
    measured = event.data
    if not COLDEST <= measured.celsius <= HOTTEST:
        raise Reject(f"no thermometer reads less than {COLDEST} or more than {HOTTEST} degrees")

    lorries = ctx.state("lorries")
    chain = lorries.get(measured.lorry, Chain(), type=Chain)
    chain.readings = [*chain.readings, measured.celsius][-READINGS:]
    median = statistics.median(chain.readings)
    is_broken = median > float(ctx.config("celsius_max", "8"))
    if is_broken != chain.is_broken:
        chain.is_broken = is_broken
        data = {"lorry": measured.lorry, "median": median, "since": measured.at}
        if is_broken:
            data["duty"] = on_duty(ctx)
        ctx.publish(
            BROKEN if is_broken else RESTORED,
            data,
            subject=measured.lorry,
            partition_key=measured.lorry,
        )
    lorries.set(measured.lorry, chain)


def on_duty(ctx: Context) -> str:
    """Who is on duty now."""
    answer = ctx.http.get("https://duty.example/now", timeout=2)
    return answer.raise_for_status().json()["name"]
