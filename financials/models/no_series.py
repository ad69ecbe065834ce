"""Number series: who gets which number next, without two records ever getting the same one."""

import re
from collections.abc import Sequence
from typing import ClassVar, Final, Self

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, normalized
from financials.models.record import ERPRecord

# The series that numbered tables use, with the number before the first; a company may change them (S-1 for SALES).
STANDARD_SERIES: Final = {
    "CUST": "C00000",
    "CONT": "KT00000",
    "ITEM": "V00000",
    "ITEMLEDG": "0",
    "SALES": "SP NO. 00000",
}
NUMBER_LENGTH: Final = 20


class NoSeries(ERPRecord):
    """A number series: the last number used, and the step to the next."""

    code = CodeField(_("Code"), max_length=20, unique=True)
    last_no_used = CodeField(
        _("Last No. Used"),
        max_length=NUMBER_LENGTH,
        validators=[RegexValidator(r"\d", _("Enter a number that contains digits, such as C00000."))],
    )
    increment_by = models.PositiveIntegerField(_("Increment-by No."), default=1, validators=[MinValueValidator(1)])

    class Meta(ERPRecord.Meta):
        verbose_name = _("No. Series")
        verbose_name_plural = _("No. Series")
        ordering = ["code"]

    @classmethod
    def take(cls, code: str, count: int = 1) -> list[str]:
        """The next COUNT numbers of the series CODE, which nobody else gets.

        1. Read the last number used. 2. Work out the numbers after it. 3. Move the series to the last of them, on
        condition that it still stands where it was read. 4. When someone was faster, begin again.

        Raises:
            ValidationError: there is no such series, or it has run out of digits.
        """
        while True:
            series = cls._named(normalized(code))
            numbers = [following(series.last_no_used, (i + 1) * series.increment_by) for i in range(count)]
            standing = cls.objects.filter(pk=series.pk, last_no_used=series.last_no_used)
            if not numbers or standing.update(last_no_used=numbers[-1]):
                return numbers

    @classmethod
    def next_no(cls, code: str) -> str:
        """The next number of the series CODE; see `take`."""
        return cls.take(code)[0]

    @classmethod
    def _named(cls, code: str) -> "NoSeries":
        if code in STANDARD_SERIES:
            return cls.objects.get_or_create(code=code, defaults={"last_no_used": STANDARD_SERIES[code]})[0]
        series = cls.objects.filter(code=code).first()
        if series is None:
            raise ValidationError(_("There is no number series %(code)s. Create it first."), params={"code": code})
        return series


def following(number: str, step: int = 1) -> str:
    """NUMBER with its last group of digits raised by STEP, as wide as it was: C00009 → C00010.

    Raises:
        ValidationError: there are no digits, or the result is too long for a number.
    """
    match = re.search(r"(\d+)(\D*)$", number)
    if match is None:
        raise ValidationError(_("The number %(number)s has no digits to count up."), params={"number": number})
    digits = str(int(match[1]) + step).zfill(len(match[1]))
    result = f"{number[: match.start()]}{digits}{match[2]}"
    if len(result) > NUMBER_LENGTH:
        raise ValidationError(_("The number series after %(number)s is used up."), params={"number": number})
    return result


class NumberedRecord(ERPRecord):
    """A record that gets its number from a series when it is created without one."""

    series: ClassVar[str]

    class Meta(ERPRecord.Meta):
        abstract = True

    @classmethod
    def derive(cls, records: Sequence[Self]) -> None:
        """Number the new records that have no number yet."""
        super().derive(records)
        unnumbered = [record for record in records if record._state.adding and not normalized(record.key)]
        for record, number in zip(unnumbered, cls._free_numbers(len(unnumbered)), strict=True):
            setattr(record, record.key_field, number)

    @classmethod
    def _free_numbers(cls, count: int) -> list[str]:
        """COUNT numbers of the series, passing over those that someone has given by hand."""
        free: list[str] = []
        while len(free) < count:
            numbers = NoSeries.take(cls.series, count - len(free))
            taken = cls.objects.in_bulk(numbers, field_name=cls.key_field)
            free += [number for number in numbers if number not in taken]
        return free
