"""How far an ERP table has been read: the cursor of its keyset pages (I4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Position:
    """The last record that was read. `reached_at` says when it was first, until nothing older can turn up any more."""

    modified: datetime
    id: UUID
    reached_at: datetime | None = None

    @classmethod
    def parse(cls, cursor: str) -> "Position | None":
        """The position that a cursor stands for; None for the blank one, at the very beginning."""
        if not cursor:
            return None
        modified, last, *reached = cursor.split("|")
        return cls(
            datetime.fromisoformat(modified), UUID(last), datetime.fromisoformat(reached[0]) if reached else None
        )

    def __str__(self) -> str:
        reached = f"|{self.reached_at.isoformat()}" if self.reached_at else ""
        return f"{self.modified.isoformat()}|{self.id}{reached}"

    def start(self, overlap: timedelta) -> "Position":
        """Where to read on: a little earlier while records with older stamps may still be committed."""
        return Position(self.modified - overlap, self.id) if self.reached_at else self

    def not_ahead(self, now: datetime) -> "Position":
        """Not later than the clock shows: what is still to be changed may bear a smaller stamp than a record that was
        stamped before the clock was put back, or on a machine whose clock is ahead."""
        return self if self.modified <= now else Position(now, self.id, now)

    def reached(self, modified: datetime, id_: UUID, now: datetime, overlap: timedelta) -> "Position":
        """The position after reading up to this record. Where that was the last one before too, and long enough ago,
        what came late has been read by now, and the next run need not look again (I9)."""
        if (modified, id_) != (self.modified, self.id):
            return Position(modified, id_, now)
        is_over = self.reached_at is None or now - self.reached_at >= overlap
        return Position(modified, id_, None if is_over else self.reached_at)
