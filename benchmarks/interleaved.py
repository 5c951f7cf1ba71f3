"""Measure alternatives round by round, so that noise hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Action = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One alternative's result."""

    name: str
    median_s: float
    ratio: float  # the median over rounds of this alternative's time divided by the reference's time in the same round


def measure(alternatives: Mapping[str, Action], reference: str, rounds: int, warm_up: int = 1) -> list[Row]:
    """Return the medians of `rounds` interleaved rounds, with paired ratios to the reference.

    Args:
        alternatives: What to run, by name; each call is timed from start to return.
        reference: The name that the others are compared with.
        rounds: How many times each alternative is timed.
        warm_up: Untimed rounds before.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(warm_up + rounds):
        for name, action in alternatives.items():
            started = time.perf_counter()
            action()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - started)
    base = seconds[reference]
    return [
        Row(name, statistics.median(values), statistics.median(value / other for value, other in zip(values, base, strict=True)))
        for name, values in seconds.items()
    ]


def table(title: str, rows: list[Row], note: str, unit: str = "ms") -> str:
    """Return a Markdown table of rows, times in milliseconds (`ms`) or seconds (`s`)."""
    scale, digits = {"ms": (1000, 0), "s": (1, 2)}[unit]
    lines = [f"## {title}", "", f"| what | median, {unit} | times the reference |", "|---|---:|---:|"]
    lines += [f"| {row.name} | {row.median_s * scale:.{digits}f} | {row.ratio:.2f} |" for row in rows]
    return "\n".join([*lines, "", note, ""])
