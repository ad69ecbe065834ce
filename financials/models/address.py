"""The address and communication columns that customers and contacts share (mappings.md 6.2)."""

from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext_lazy as _

from financials.models.fields import CodeField, TextColumn


class Addressed(models.Model):
    """Where someone is, and how to reach them."""

    address = TextColumn(_("Address"), max_length=100, blank=True)
    address_2 = TextColumn(_("Address 2"), max_length=50, blank=True)
    city = TextColumn(_("City"), max_length=30, blank=True)
    county = TextColumn(_("County"), max_length=30, blank=True)
    post_code = CodeField(_("Post Code"), max_length=20, blank=True)
    country_region_code = CodeField(_("Country/Region Code"), max_length=10, blank=True)
    phone_no = TextColumn(_("Phone No."), max_length=30, blank=True)
    mobile_phone_no = TextColumn(_("Mobile Phone No."), max_length=30, blank=True)
    fax_no = TextColumn(_("Fax No."), max_length=30, blank=True)
    e_mail = TextColumn(_("Email"), max_length=80, blank=True, validators=[validate_email])
    home_page = TextColumn(_("Home Page"), max_length=255, blank=True)

    class Meta:
        abstract = True
