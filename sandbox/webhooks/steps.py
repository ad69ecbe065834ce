"""Which registered steps a change concerns, at which stage, and with which images of the row (14.1)."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field

from sandbox.errors import INVALID_ARGUMENT, DataverseError
from sandbox.rows.currencies import Values

WEBHOOK = 8
POST_OPERATION = 40
SYNCHRONOUS, ASYNCHRONOUS = 0, 1
_PRE_IMAGE, _POST_IMAGE, _BOTH = 0, 1, 2
_STAGES = (10, 20, POST_OPERATION)
# What an image is an image of, by message (Microsoft's "Define entity images"): the row in this property.
_PROPERTY = {"Create": "Id", "Update": "Target", "Delete": "Target"}
_SQL = """
SELECT m.name, f.primaryobjecttypecode, s.sdkmessageprocessingstepid, s.filteringattributes, s.stage, s.mode,
       s.asyncautodelete, e.url, e.authtype, e.authvalue
FROM sdkmessageprocessingstep s JOIN sdkmessage m ON m.sdkmessageid = s.sdkmessageid
JOIN serviceendpoint e ON e.serviceendpointid = s.eventhandler
LEFT JOIN sdkmessagefilter f ON f.sdkmessagefilterid = s.sdkmessagefilterid
WHERE s.statecode = 0 AND e.contract = ? ORDER BY s.rank, s.seq
"""
_IMAGES = "SELECT sdkmessageprocessingstepid, entityalias, imagetype, attributes FROM sdkmessageprocessingstepimage"
_STEP_OF_IMAGE = """
SELECT m.name, s.stage FROM sdkmessageprocessingstep s JOIN sdkmessage m ON m.sdkmessageid = s.sdkmessageid
WHERE s.sdkmessageprocessingstepid = ?
"""


@dataclass(frozen=True)
class Image:
    """A copy of the row that a step wants: its name, whether before or after or both, and of which columns."""

    alias: str
    kind: int
    columns: frozenset[str]

    @property
    def before(self) -> bool:
        """True for the row as it was."""
        return self.kind in (_PRE_IMAGE, _BOTH)

    @property
    def after(self) -> bool:
        """True for the row as it has become."""
        return self.kind in (_POST_IMAGE, _BOTH)


@dataclass(frozen=True)
class Step:
    """One registered step with the endpoint that it calls."""

    message: str
    table: str | None
    identity: str
    columns: frozenset[str]
    stage: int
    mode: int
    forgets: bool
    url: str
    auth_type: int
    auth_value: str = field(repr=False)
    images: tuple[Image, ...] = ()

    @property
    def is_before(self) -> bool:
        """True when the step runs before the row is written."""
        return self.stage < POST_OPERATION

    def concerns(self, message: str, table: str, changed: set[str]) -> bool:
        """Return True when the step wants to know of this change."""
        if self.message != message or self.table not in (None, table):
            return False
        return message != "Update" or not self.columns or bool(self.columns & changed)


def registered(connection: sqlite3.Connection) -> list[Step]:
    """Return the steps that are in force, in their order."""
    found = connection.execute(_SQL, [WEBHOOK]).fetchall()
    images = _images(connection) if found else {}
    return [
        Step(name, table, step, _listed(columns), stage, mode, bool(forgets), url or "", kind or 0, value or "", of)
        for name, table, step, columns, stage, mode, forgets, url, kind, value in found
        for of in [tuple(images.get(step, ()))]
    ]


def _images(connection: sqlite3.Connection) -> dict[str, list[Image]]:
    images: dict[str, list[Image]] = defaultdict(list)
    for step, alias, kind, columns in connection.execute(_IMAGES):
        images[step].append(Image(alias, kind, _listed(columns)))
    return images


def _listed(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in (text or "").split(",") if part.strip())


def check_step(values: Values, before: Values) -> None:
    """Raise DataverseError (400) for a step that could never run: webhooks wait for the commit after all else only."""
    row = {**before, **values}
    if row.get("stage") not in (None, *_STAGES):
        raise _refused("A step is registered before (10, 20) or after (40) the operation.")
    if row.get("mode") == ASYNCHRONOUS and row.get("stage") != POST_OPERATION:
        raise _refused("Only steps after the operation can run asynchronously.")


def check_image(values: Values, before: Values, connection: sqlite3.Connection) -> None:
    """Raise DataverseError (400) for an image that does not exist at its step: no row before Create or after Delete."""
    row = {**before, **values}
    found = connection.execute(_STEP_OF_IMAGE, [row.get("sdkmessageprocessingstepid")]).fetchone()
    if found is None:
        return  # the check of required columns names the step
    (message, stage), image = found, Image("", int(row.get("imagetype") or 0), frozenset())
    if row.get("messagepropertyname") not in (None, _PROPERTY.get(message)):
        raise _refused(f"The message {message} has no images of '{row['messagepropertyname']}'.")
    if image.before and message == "Create":
        raise _refused("Before its creation a row has no image.")
    if image.after and (message == "Delete" or stage != POST_OPERATION):
        raise _refused("The row after the operation exists only for steps after it, and not for Delete.")


def _refused(message: str) -> DataverseError:
    return DataverseError(400, INVALID_ARGUMENT, message)
