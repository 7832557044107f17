"""Rounds in which warm processes take turns, and the statistics of their times."""

import contextlib
import random
import statistics
from collections.abc import Sequence

from benchmarks.compare.contestants import Contestant
from benchmarks.compare.worker import Worker

FACTS = ("images", "multiplications", "parts")  # of a measurement, unless they are empty


def measure(contestants: Sequence[Contestant], rounds: int, seconds: float) -> dict[str, dict]:
    """Return the measurement of each contestant by name.

    All processes are warm before the first round. In each round every contestant has one turn; the
    order is drawn for each round.

    Args:
        contestants: the contestants.
        rounds: number of rounds.
        seconds: approximate seconds of a turn.

    Returns:
        Per contestant: "seconds" per step of each round; "images" and "multiplications" per step;
        "parts", "precision" and "own" as declared; the memory of its process.
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for contestant in contestants:
            worker = Worker(contestant)
            stack.callback(worker.close)
            worker.wait_until_first_step()
            worker.wait_until_warm()
            worker.calibrate(seconds)
            workers.append(worker)
        times = {worker.contestant.name: [] for worker in workers}
        for k in range(rounds):
            for worker in random.Random(k).sample(workers, len(workers)):
                times[worker.contestant.name].append(worker.seconds_per_step())
        return {
            worker.contestant.name: {
                "seconds": times[worker.contestant.name],
                **{name: worker.facts[name] for name in FACTS if worker.facts[name]},
                **worker.memory(),
                "precision": worker.contestant.precision,
                "own": worker.contestant.own,
            }
            for worker in workers
        }


def spread(values: Sequence[float]) -> float:
    """Return the interquartile range; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % confidence interval of the median; NaN for fewer than 6 values.

    From order statistics, without an assumption about the distribution.
    """
    from scipy import stats

    return tuple(stats.quantile_test(values, p=0.5).confidence_interval(0.95))


def ratios(reference: Sequence[float], seconds: Sequence[float]) -> list[float]:
    """Return the speed relative to a reference in each round; above 1 is faster."""
    return [one / other for one, other in zip(reference, seconds, strict=True)]


def ratio(group: dict[str, dict], name: str, reference: str) -> float | None:
    """Return the median over the rounds of the speed of a contestant relative to another."""
    if reference not in group or name not in group:
        return None
    return statistics.median(ratios(group[reference]["seconds"], group[name]["seconds"]))
