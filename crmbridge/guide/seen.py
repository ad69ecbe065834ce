"""Nobody's input is lost: a form says what its reader saw stored, and is not applied over what somebody else stored."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which what is stored differs from what the reader entered."""

    label: str
    stored: str


class SeenForm(forms.BaseForm):
    """A form over stored values, which are read when it is made, before anything of the input is applied to them.

    Pages carry `stored_version` in a hidden input `seen`; the database row of the set-up must be locked between making
    the form and saving it.
    """

    def remember(self, stored: Mapping[str, Any], *unshown: object) -> None:
        """Take `stored` (field name to value) for what is stored now; `unshown` counts too, but is never shown."""
        self.stored = stored
        text = json.dumps([stored, unshown], sort_keys=True, default=str)
        self.stored_version = hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def unsettles(self) -> Sequence[str]:
        """The later steps of the guide that have to be gone through again after what was entered."""
        return ()

    @property
    def is_overtaken(self) -> bool:
        """Whether somebody else has stored something since the reader opened the page."""
        return self.is_bound and self.data.get("seen") != self.stored_version

    @property
    def differences(self) -> list[Difference]:
        """Where what is stored now is not what the reader entered."""
        return [
            Difference(str(self[name].label), _text(self.fields[name], value))
            for name, value in self.stored.items()
            if name in self.fields and _text(self.fields[name], self[name].value()) != _text(self.fields[name], value)
        ]


def _text(field: forms.Field, value: Any) -> str:
    if isinstance(value, list | tuple | set):
        return ", ".join(sorted(map(str, value)))
    if isinstance(field.widget, forms.RadioSelect | forms.Select):
        return next((str(label) for key, label in field.widget.choices if str(key) == str(value)), "")
    return "" if value is None else str(value)
