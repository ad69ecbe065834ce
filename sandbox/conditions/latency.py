"""How long the service would take: a fixed part for each request and a part for each row, by kind of message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Milliseconds per request and per row. Writes come from Microsoft's own samples (PowerApps-Samples, BulkOperations:
# SimpleLoop 100 creates in 10 s, 100 updates in 12 s; CreateUpdateMultiple 1 s and 3 s; UpsertMultiple 1-2 s;
# ExecuteMultiple 100 in 4 s). They were taken in whole seconds: orders of magnitude. Nothing is published for reading;
# those figures are ours.
PUBLISHED = {
    "create": (90.0, 10.0),
    "update": (90.0, 30.0),
    "delete": (90.0, 20.0),
    "CreateMultiple": (0.0, 10.0),
    "UpdateMultiple": (0.0, 30.0),
    "UpsertMultiple": (0.0, 20.0),
    "batched": (30.0, 10.0),
    "retrieve": (50.0, 0.0),
    "list": (50.0, 0.1),
    "metadata": (100.0, 0.0),
    "other": (50.0, 0.0),
}
_FIXED = re.compile(r"(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?")
_WRITES = {"POST": "create", "PATCH": "update", "PUT": "update", "DELETE": "delete"}
_METADATA = ("EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions", "$metadata")


def kind_of(method: str, path: str) -> str:
    """Return the kind of message that a request is, as the table of figures names it."""
    first, _, rest = path.partition("/")
    if first.startswith(_METADATA):
        return "metadata"
    message = rest.rpartition("/")[2].removeprefix("Microsoft.Dynamics.CRM.")
    if message in PUBLISHED:
        return message
    if method in _WRITES:
        return _WRITES[method] if first[:1].islower() else "other"
    return "retrieve" if "(" in first else "list"


@dataclass(frozen=True)
class Latency:
    """The figures in force; none at all means as fast as this machine is."""

    figures: Mapping[str, tuple[float, float]]

    @classmethod
    def parse(cls, text: str) -> "Latency":
        """Read `none`, `published`, or `fixed+perrow` in milliseconds such as `30+2`. Raises ValueError."""
        if text == "none":
            return cls({})
        if text == "published":
            return cls(PUBLISHED)
        match = _FIXED.fullmatch(text)
        if match is None:
            raise ValueError(f"'{text}' is neither none, published, nor milliseconds such as 30+2.")
        return cls(dict.fromkeys(PUBLISHED, (float(match[1]), float(match[2] or 0))))

    def seconds(self, kind: str, rows: int, *, batched: bool = False) -> float:
        """Return how long a message takes; single writes inside a batch share its trip and cost less."""
        shared = batched and kind in ("create", "update", "delete")
        fixed, per_row = self.figures.get("batched" if shared else kind, (0.0, 0.0))
        return (fixed + per_row * rows) / 1000
