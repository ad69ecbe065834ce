"""Salespeople, who own customers and contacts."""

from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, TextColumn
from financials.models.no_series import NumberedRecord


class Salesperson(NumberedRecord):
    """A salesperson; on the CRM side, a user."""

    series = "SALES"

    code = CodeField(_("Code"), max_length=20, unique=True, blank=True)
    name = TextColumn(_("Name"), max_length=50, blank=True)
    e_mail = TextColumn(_("Email"), max_length=80, blank=True, validators=[validate_email])
    e_mail_2 = TextColumn(_("Email 2"), max_length=80, blank=True, validators=[validate_email])
    phone_no = TextColumn(_("Phone No."), max_length=30, blank=True)
    job_title = TextColumn(_("Job Title"), max_length=30, blank=True)
    blocked = models.BooleanField(_("Blocked"), default=False)

    class Meta(NumberedRecord.Meta):
        verbose_name = _("Salesperson")
        verbose_name_plural = _("Salespeople")
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}".rstrip()
