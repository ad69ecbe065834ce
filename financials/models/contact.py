"""Contacts: people, mostly those who work for a customer."""

from collections.abc import Sequence
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.address import Addressed
from financials.models.customer import Customer
from financials.models.fields import CodeField, CodeReferenceField, TextColumn, normalized
from financials.models.no_series import NumberedRecord


class ContactType(models.IntegerChoices):
    """What a contact is."""

    COMPANY = 0, _("Company")
    PERSON = 1, _("Person")


class Contact(Addressed, NumberedRecord):
    """A person or company; a person with a customer is on the CRM side a contact under that account (C-1)."""

    key_field = "no"
    series = "CONT"
    derived_fields = ("name", "company_name")

    no = CodeField(_("No."), max_length=20, unique=True, blank=True, help_text=_("Blank: the next number"))
    type = models.IntegerField(_("Type"), choices=ContactType.choices, default=ContactType.PERSON)
    customer_no = CodeReferenceField(
        _("Customer No."),
        max_length=20,
        to="financials.Customer",
        help_text=_("The customer the contact works for"),
    )
    company_name = TextColumn(_("Company Name"), max_length=100, blank=True)
    name = TextColumn(_("Name"), max_length=100, blank=True)
    first_name = TextColumn(_("First Name"), max_length=30, blank=True)
    middle_name = TextColumn(_("Middle Name"), max_length=30, blank=True)
    surname = TextColumn(_("Surname"), max_length=30, blank=True)
    salutation_code = CodeField(_("Salutation Code"), max_length=10, blank=True)
    job_title = TextColumn(_("Job Title"), max_length=30, blank=True)
    pager = TextColumn(_("Pager"), max_length=30, blank=True)
    e_mail_2 = TextColumn(_("Email 2"), max_length=80, blank=True, validators=[validate_email])
    currency_code = CodeReferenceField(
        _("Currency Code"), max_length=10, to="financials.Currency", help_text=_("Blank: local currency")
    )
    salesperson_code = CodeReferenceField(_("Salesperson Code"), max_length=20, to="financials.Salesperson")
    privacy_blocked = models.BooleanField(_("Privacy Blocked"), default=False)

    class Meta(NumberedRecord.Meta):
        verbose_name = _("Contact")
        verbose_name_plural = _("Contacts")
        ordering = ["no"]

    def __str__(self) -> str:
        return f"{self.no} {self.name}".rstrip()

    @classmethod
    def derive(cls, records: Sequence[Self]) -> None:
        """Number the contacts, name the persons, and give each the name of the customer it works for."""
        super().derive(records)
        numbers = {normalized(contact.customer_no) for contact in records} - {""}
        customers = Customer.objects.only("no", "name").in_bulk(numbers, field_name="no") if numbers else {}
        for contact in records:
            contact.name = contact.full_name() or contact.name
            if customer := customers.get(normalized(contact.customer_no)):
                contact.company_name = customer.name

    def full_name(self) -> str:
        """A person's first, middle and last name in one; '' for a company."""
        parts = (self.first_name, self.middle_name, self.surname) if self.type == ContactType.PERSON else ()
        return " ".join(part.strip() for part in parts if part and part.strip())

    def clean(self) -> None:
        """Refuse a contact without any name.

        Raises:
            ValidationError: there is no name.
        """
        super().clean()
        if not (self.full_name() or self.name):
            raise ValidationError(_("Enter a first name or a surname, or the name of a company."), code="required")
