"""The errors of the product, ordered by what to do about them.

    CRMBridgeError            .text and .fix for the reader, .technical for administrators, .kind for the engine
    ├── RetryLater            passes by itself; .retry_after says when the other side wants to be asked again
    ├── FixRecord             this one record cannot go as it is; the others can
    ├── FixSetup              nothing works until somebody changes the set-up
    └── Bug                   our mistake; report it

The Dataverse errors below them are in `connection/dataverse/errors.py`.
"""
# ruff: noqa: N818 -- the kinds are named for the recovery, which is what the engine reads in them

from typing import TYPE_CHECKING, ClassVar

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from connection.masking import mask

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    Text = StrOrPromise
else:
    Text = str | Promise


class Recovery(TextChoices):
    """What makes an error go away."""

    RETRY_LATER = "retry_later", _("Retries by itself")
    FIX_RECORD = "fix_record", _("Correct the record")
    FIX_SETUP = "fix_setup", _("Correct the set-up")
    BUG = "bug", _("Fault in the product")


class CRMBridgeError(Exception):
    """Anything that the product can say in plain words.

    `text` says what happened and `fix` what the reader can do about it (both translated when shown), which is said in
    another way where a job met it that tries again by itself: `fix_in_job`. `technical` is for administrators and
    passes `mask`, so that no secret travels with an error. `code` is the other side's own name for the fault
    (`0x80040217`, `AADSTS7000215`) where it has one. Subclasses give the default words as class attributes.
    """

    kind: ClassVar[Recovery] = Recovery.BUG
    text: Text = _("Something went wrong inside crmbridge.")
    fix: Text = _("Report this to whoever runs crmbridge, with the technical details.")
    fix_in_job: Text = ""

    def __init__(
        self, text: Text | None = None, *, fix: Text | None = None, technical: str = "", code: str = ""
    ) -> None:
        if text is not None:
            self.text = text
        if fix is not None:
            self.fix = self.fix_in_job = fix
        self.technical = mask(technical)
        self.code = code
        super().__init__()

    def __str__(self) -> str:
        return f"{self.text} {self.fix}".strip()


class RetryLater(CRMBridgeError):
    """Passes by itself. `retry_after` is the number of seconds that the other side asked for, if it did."""

    kind = Recovery.RETRY_LATER
    fix = _("Try again in a moment.")
    fix_in_job = _("Nothing to do: crmbridge tries again by itself.")

    def __init__(
        self,
        text: Text | None = None,
        *,
        fix: Text | None = None,
        technical: str = "",
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text, fix=fix, technical=technical, code=code)
        self.retry_after = retry_after


class FixRecord(CRMBridgeError):
    """This one record cannot go as it is; the others can."""

    kind = Recovery.FIX_RECORD
    text = _("The record could not be transferred.")
    fix = _("Correct the record and synchronize it again.")


class FixSetup(CRMBridgeError):
    """Nothing of this sort works until somebody changes the set-up."""

    kind = Recovery.FIX_SETUP
    text = _("The set-up is not complete.")
    fix = _("Ask an administrator to look at the connection set-up.")


class Bug(CRMBridgeError):
    """Our own mistake."""

    kind = Recovery.BUG
