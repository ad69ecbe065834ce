"""What the engine must do, said a second time and as simply as possible: the model that runs are compared with.

It knows pairs of records and their values, no tables, pages, cursors or requests. A run looks at a pair when a side
that it reads was edited since it last read it, when an earlier run left something open, or when it is a full run.
"""

from dataclasses import dataclass, field

from coupling.models import Direction

# ERP field: (CRM column, direction)
FIELDS = {
    "phone_no": ("telephone1", Direction.BOTH),
    "fax_no": ("fax", Direction.BOTH),
    "city": ("address1_city", Direction.BOTH),
}
CREDIT = {"credit_limit_lcy": ("creditlimit", Direction.TO_CRM)}

Values = dict[str, str | None]


@dataclass(eq=False)
class Party:
    """A customer or contact, on one side or both; `base` holds what both sides agreed on last, as (ERP, CRM)."""

    name: str
    fields: dict[str, tuple[str, Direction]]
    parent: "Party | None" = None
    erp: Values | None = None
    crm: Values | None = None
    is_coupled: bool = False
    base: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    edited: set[Direction] = field(default_factory=set)
    """The passes that have yet to see an edit of their side."""
    is_open: bool = False
    is_begun: set[Direction] = field(default_factory=set)

    def run(self, way: Direction, allowed: Direction, *, full: bool) -> None:
        """One pass of a run over this party."""
        if self.is_coupled:
            if full or self.is_open or (way in self.edited and (self._differs(way) or self.conflicts)):
                self._judge(allowed, self.base)
        elif full or way in self.is_begun:
            self._find_partner(way, allowed)
        self.edited.discard(way)

    def _differs(self, way: Direction) -> bool:
        """Whether the side that is read differs from the base in a field that it sends, or that it may not change."""
        half, own = (self.erp, 0) if way == Direction.TO_CRM else (self.crm, 1)
        assert half is not None
        for name, (_, direction) in self.fields.items():
            sends = direction in (way, Direction.BOTH)
            if half[name] != self.base[name][own] if name in self.base else sends:
                return True
        return False

    def _find_partner(self, way: Direction, allowed: Direction) -> None:
        if (self.erp if way == Direction.TO_CRM else self.crm) is None:
            return
        if self.erp is not None and self.crm is not None:
            self.is_coupled = True
            self._judge(allowed, {})
        elif self.parent and not self.parent.is_coupled:
            self.is_begun.add(way)
        else:
            self.is_coupled = True
            self._create()

    def _create(self) -> None:
        sent = [name for name, (_, way) in self.fields.items() if way == Direction.BOTH or self.crm is None]
        if self.crm is None:
            assert self.erp is not None
            self.crm = dict(self.erp)
        else:
            self.erp = {name: self.crm[name] if name in sent else "0" for name in self.fields}
            # The new record is a change that the next pass from the ERP reads.
            self.edited.add(Direction.TO_CRM)
        self.base = {name: (self.erp[name], self.crm[name]) for name in sent} if self.erp else {}

    def _judge(self, allowed: Direction, base: dict[str, tuple[str | None, str | None]]) -> None:
        self.base, self.conflicts, self.is_open = base, set(), False
        for name, (_, direction) in self.fields.items():
            self._judge_field(name, direction, allowed)

    def _judge_field(self, name: str, direction: Direction, allowed: Direction) -> None:
        assert self.erp is not None
        assert self.crm is not None
        e, c, agreed = self.erp[name], self.crm[name], self.base.get(name)
        if e == c:
            self.base[name] = (e, c)
        elif agreed and direction == Direction.BOTH and e != agreed[0] and c != agreed[1]:
            self.conflicts.add(name)
        else:
            self._flow(name, _way(direction, agreed, e), allowed)

    def _flow(self, name: str, way: Direction, allowed: Direction) -> None:
        assert self.erp is not None
        assert self.crm is not None
        if allowed not in (way, Direction.BOTH):
            self.is_open = True
            return
        if way == Direction.TO_CRM:
            self.crm[name] = self.erp[name]
        else:
            self.erp[name] = self.crm[name]
        self.base[name] = (self.erp[name], self.crm[name])


def _way(direction: Direction, agreed: tuple[str | None, str | None] | None, e: str | None) -> Direction:
    """The side that was edited goes; where nothing was agreed on yet, the ERP's value does unless it is blank."""
    if direction != Direction.BOTH:
        return direction
    if agreed is None:
        return Direction.FROM_CRM if e is None else Direction.TO_CRM
    return Direction.TO_CRM if e != agreed[0] else Direction.FROM_CRM
