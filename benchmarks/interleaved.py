"""Measure alternatives round by round, so that noise hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Action = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One alternative's result."""

    name: str
    median_s: float
    ratio: float  # the median over rounds of this alternative's time divided by the reference's time in the same round


def seconds(alternatives: Mapping[str, Action], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Return how long each alternative took in each of `rounds` interleaved rounds.

    Args:
        alternatives: What to run, by name; each call is timed from start to return.
        rounds: How many times each alternative is timed.
        warm_up: Untimed rounds before.
    """
    taken: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(warm_up + rounds):
        for name, action in alternatives.items():
            started = time.perf_counter()
            action()
            if number >= warm_up:
                taken[name].append(time.perf_counter() - started)
    return taken


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median over rounds of one alternative's time divided by another's in the same round."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def measure(alternatives: Mapping[str, Action], reference: str, rounds: int) -> list[Row]:
    """Return the medians of `rounds` interleaved rounds, with paired ratios to the alternative called `reference`."""
    taken = seconds(alternatives, rounds)
    return [Row(name, statistics.median(values), ratio(values, taken[reference])) for name, values in taken.items()]


def table(title: str, rows: list[Row], note: str, unit: str = "ms") -> str:
    """Return a Markdown table of rows, times in milliseconds (`ms`) or seconds (`s`)."""
    scale, digits = {"ms": (1000, 0), "s": (1, 2)}[unit]
    lines = [f"## {title}", "", f"| what | median, {unit} | times the reference |", "|---|---:|---:|"]
    lines += [f"| {row.name} | {row.median_s * scale:.{digits}f} | {row.ratio:.2f} |" for row in rows]
    return "\n".join([*lines, "", note, ""])
