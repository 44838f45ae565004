"""How fast providers answer beside each other, from the jobs of one broker; a value, without a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

REMEMBERED = 0.9
"""What is left, on a scale of factors, of the speed of a provider after a job in which it had no part."""


@dataclass(frozen=True)
class Pace:
    """What is known of providers' speeds.

    Attributes
    ----------
    speeds : dict of str to float
        By name, of those that were timed; only their ratios count.
    untimed : frozenset of str
        Names that were asked, and whose answers never were timed.

    >>> Pace().after({"a": (600, 3.0), "b": (600, 1.0)}).of(["a", "b"])
    (0.5, 1.5)
    """

    speeds: Mapping[str, float] = field(default_factory=dict)
    untimed: frozenset[str] = frozenset()

    def after(self, answered: Mapping[str, tuple[int, float]]) -> Pace:
        """With a job in which these providers were asked: pixels that each answered, and seconds.

        Jobs differ in how much work a pixel is. So the speeds in one are put on the scale of those before,
        by the providers that were timed in both.
        """
        rates = {
            name: pixels / seconds for name, (pixels, seconds) in answered.items() if pixels and seconds > 0
        }
        timed = dict(self.speeds)
        if rates:
            both = rates.keys() & timed.keys()
            before = sum(timed[name] for name in both) if both else len(rates)
            scale = before / sum(rates[name] for name in both or rates)
            news = {name: rate * scale for name, rate in rates.items()}
            # One job alone says little: half of what was known stays.
            timed |= {name: (timed.get(name, rate) * rate) ** 0.5 for name, rate in news.items()}
            average = sum(timed.values()) / len(timed)
            for name in timed.keys() - answered.keys():
                # Who stands by is forgotten in time, and so tried again one day.
                timed[name] = timed[name] ** REMEMBERED * average ** (1 - REMEMBERED)
        return Pace(timed, (self.untimed | answered.keys()) - timed.keys())

    def of(self, names: Iterable[str]) -> tuple[float, ...]:
        """Speeds in this order, about 1 on average: equal until all that were asked were timed.

        Who was never asked counts as the average of those that were.
        """
        wanted = list(names)
        known = [self.speeds[name] for name in wanted if name in self.speeds]
        if not known or not self.untimed.isdisjoint(wanted):
            return (1.0,) * len(wanted)
        average = sum(known) / len(known)
        return tuple(self.speeds.get(name, average) for name in wanted)
