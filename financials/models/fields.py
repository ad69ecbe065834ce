"""The text columns of the ERP: never null, and codes in one spelling (mappings.md 6.1: T, C, →)."""

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

# Django's fields take type arguments only in their stubs.
if TYPE_CHECKING:
    CharField = models.CharField[str | None, str]
else:
    CharField = models.CharField


class TextColumn(CharField):
    """One line of text; "nothing" is written as '', whatever the caller used for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> str:
        """The value as it is stored."""
        return "" if value is None else str(value)

    def get_prep_value(self, value: Any) -> Any:
        """The value as it is stored and looked up."""
        return super().get_prep_value(self.to_python(value) if value is None or isinstance(value, str) else value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The value to write; the record carries it too afterwards."""
        value = super().pre_save(model_instance, add)
        if value is None or isinstance(value, str):
            value = self.to_python(value)
            setattr(model_instance, self.attname, value)
        return value


class CodeField(TextColumn):
    """A code: upper-case and trimmed wherever it is written, validated or looked up."""

    def to_python(self, value: Any) -> str:
        """The code in its one spelling."""
        return normalized(value)


def normalized(code: Any) -> str:
    """The one spelling of CODE: upper-case, trimmed, '' for nothing."""
    return "" if code is None else str(code).strip().upper()


class CodeReferenceField(CodeField):
    """A soft reference: the code of a record of the table `to` ("app.Model"), or blank for none.

    Not a foreign key: the ERP keeps its history when the record it names is deleted (mappings.md 6.1).
    """

    def __init__(self, *args: Any, to: str, **kwargs: Any) -> None:
        self.to = to
        super().__init__(*args, **({"blank": True, "db_index": True} | kwargs))

    def deconstruct(self) -> tuple[str, str, Any, dict[str, Any]]:
        """What a migration needs to make the field again."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"to": self.to}

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Refuse a code that names no record.

        A reference that the stored record already had is left alone: what it names may be deleted by now.

        Raises:
            ValidationError: no record has this code.
        """
        super().validate(value, model_instance)
        target: Any = apps.get_model(self.to)
        if value == getattr(model_instance, "stored", {}).get(self.attname):
            return
        if not target.objects.filter(**{target.key_field: value}).exists():
            raise ValidationError(
                _("%(table)s %(code)s does not exist. Create it first, or choose another one."),
                code="unknown_reference",
                params={"table": target._meta.verbose_name, "code": value},
            )
