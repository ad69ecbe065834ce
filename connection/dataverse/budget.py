"""What all workers of one connection may ask of the CRM together (dataverse-web-api.md 10). Pure.

The CRM limits requests and execution time in a sliding window, and requests at a time. Workers charge a slice of that
to the budget before they use it and give back what they did not need. The limits are learned, since an environment may
have more of them than is documented: they begin at the documented ones, fall to what was spent when the CRM complains,
and rise while they bind and the CRM does not complain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

WINDOW = 300.0
# Spending is remembered in this many steps of the window.
STEPS = 30
# Bulk work leaves this share to people who wait for an answer.
RESERVE = 0.05
PARALLEL = 52
PARALLEL_RESERVE = 4
# A worker that has not shown itself for this long does not count any more.
MEMBER_FOR = 15.0
_RAISE = 1.05
_LOWER = 0.95
_LEAST_SHARE = 0.1
_LARGEST_SLICE = 0.05


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of requests and the seconds that they run."""

    requests: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.requests + other.requests, self.seconds + other.seconds)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.requests - other.requests, self.seconds - other.seconds)

    def times(self, factor: float) -> "Amount":
        """The amount, so many times."""
        return Amount(self.requests * factor, self.seconds * factor)

    def at_most(self, other: "Amount") -> "Amount":
        """The smaller of both, each by itself, and never below nothing."""
        return Amount(max(0.0, min(self.requests, other.requests)), max(0.0, min(self.seconds, other.seconds)))

    @property
    def allows_one(self) -> bool:
        """Whether a request can be made with it."""
        return self.requests >= 1 and self.seconds > 0


DOCUMENTED = Amount(6000, 1200)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A 429: which limit it was about (`requests`, `seconds`, `parallel`, or "" for another), until when to wait."""

    limit: str
    until: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells: how much more than its last slice it spent (or less), what it wants, what it heard."""

    member: str
    spent: Amount = Amount()
    wanted: Amount = Amount()
    complaint: Complaint | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """What a worker gets: an amount, how many requests at a time, and the moments before which it must not ask."""

    amount: Amount
    parallel: int
    held_until: float
    again_at: float


@dataclass(frozen=True, slots=True)
class Budget:
    """The state that the workers share; moments are seconds since 1970."""

    limits: Amount = DOCUMENTED
    parallel: float = PARALLEL
    spent: Mapping[int, Amount] = field(default_factory=dict)
    members: Mapping[str, float] = field(default_factory=dict)
    held_until: float = 0.0
    lowered_at: float = 0.0
    raised_at: float = 0.0
    window: float = WINDOW

    @property
    def total(self) -> Amount:
        """What was spent or promised in the window."""
        return sum(self.spent.values(), Amount())

    def exchanged(self, report: Report, now: float) -> tuple["Budget", Slice]:
        """The budget after `report`, and the slice that its worker may use."""
        budget = self._counting(report, now)
        if report.complaint:
            budget = budget._lowered(report.complaint, now)
        budget = budget._raised(report.wanted, now)
        amount = budget._grant(report.wanted)
        return budget._charged(amount, now), budget._slice(amount, now)

    def _counting(self, report: Report, now: float) -> "Budget":
        """With the worker and what it spent, without what has left the window."""
        oldest = self._step(now - self.window)
        spent = {step: amount for step, amount in self.spent.items() if step > oldest}
        members = {name: until for name, until in self.members.items() if until > now}
        members[report.member] = now + MEMBER_FOR
        # The documented limits are tried out for a window before they are doubted.
        lowered_at = self.lowered_at or now
        parallel = PARALLEL if now - lowered_at > self.window else self.parallel
        counting = replace(self, spent=spent, members=members, parallel=parallel, lowered_at=lowered_at)
        return counting._charged(report.spent, now)

    def _charged(self, amount: Amount, now: float) -> "Budget":
        step = self._step(now)
        return replace(self, spent={**self.spent, step: self.spent.get(step, Amount()) + amount})

    def _lowered(self, complaint: Complaint, now: float) -> "Budget":
        """After a complaint: everybody waits, and the limit is a little less than what was spent."""
        held = replace(self, held_until=max(self.held_until, complaint.until), lowered_at=now)
        least, seen = DOCUMENTED.times(_LEAST_SHARE), self.total.times(_LOWER)
        if complaint.limit == "requests":
            return replace(held, limits=replace(self.limits, requests=max(least.requests, seen.requests)))
        if complaint.limit == "seconds":
            return replace(held, limits=replace(self.limits, seconds=max(least.seconds, seen.seconds)))
        if complaint.limit == "parallel":
            return replace(held, parallel=max(2.0 * PARALLEL_RESERVE, self.parallel * 0.75))
        return held

    def _raised(self, wanted: Amount, now: float) -> "Budget":
        """With a limit that binds made a little wider, where the CRM has not complained for a window."""
        quiet = now - self.lowered_at > self.window and now - self.raised_at > self.window / STEPS
        if not quiet or not wanted.allows_one or self._room.allows_one:
            return self
        limits = Amount(
            self.limits.requests * (_RAISE if self._room.requests < 1 else 1),
            self.limits.seconds * (_RAISE if self._room.seconds <= 0 else 1),
        )
        return replace(self, limits=limits, raised_at=now)

    @property
    def _room(self) -> Amount:
        return self.limits.times(1 - RESERVE) - self.total

    def _grant(self, wanted: Amount) -> Amount:
        """A fair part of the room, or nothing where it is not enough for a request."""
        fair = self._room.times(1 / len(self.members))
        amount = wanted.at_most(self.limits.times(_LARGEST_SLICE)).at_most(fair)
        few = Amount(1, min(1.0, wanted.seconds))
        smallest = few if self._room.requests >= 1 and self._room.seconds >= 1 and wanted.allows_one else Amount()
        return amount if amount.allows_one else smallest

    def _slice(self, amount: Amount, now: float) -> Slice:
        each = (self.parallel - PARALLEL_RESERVE) // len(self.members)
        again_at = now if amount.allows_one else self._next_room(now)
        return Slice(amount, max(1, int(each)), self.held_until, again_at)

    def _next_room(self, now: float) -> float:
        """When the oldest spending leaves the window, or the limits may be raised."""
        step = self.window / STEPS
        charged = [number for number, amount in self.spent.items() if amount != Amount()]
        leaves = (min(charged) + 1) * step + self.window if charged else now
        raised = max(self.raised_at + step, self.lowered_at + self.window)
        return max(now + step / 10, min(leaves, raised + step / 10))

    def _step(self, moment: float) -> int:
        return int(moment // (self.window / STEPS))

    def to_json(self) -> dict[str, Any]:
        """The budget as JSON values, for a store."""
        return {
            "limits": [self.limits.requests, self.limits.seconds],
            "parallel": self.parallel,
            "spent": {str(step): [amount.requests, round(amount.seconds, 3)] for step, amount in self.spent.items()},
            "members": dict(self.members),
            "held_until": self.held_until,
            "lowered_at": self.lowered_at,
            "raised_at": self.raised_at,
            "window": self.window,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Budget":
        """The budget that `to_json` gave; a new one from an empty object."""
        if not stored:
            return cls()
        spent = {int(step): Amount(*amount) for step, amount in stored["spent"].items()}
        return cls(**{**stored, "limits": Amount(*stored["limits"]), "spent": spent})
