"""The form of the connection: the secret goes in and never comes out."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connection.dataverse.address import crm_address, login_address
from connection.dataverse.certificate import MOST_CHARACTERS, CertificateUnusable
from connection.dataverse.errors import AddressRefused
from connection.models import CRMConnection, SettingsLocked

if TYPE_CHECKING:
    ConnectionModelForm = forms.ModelForm[CRMConnection]
else:
    ConnectionModelForm = forms.ModelForm


class ConnectionForm(ConnectionModelForm):
    """Address, application and credential: a secret or a certificate. Where both stay empty, the stored one stays."""

    new_secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )
    new_certificate = forms.FileField(
        label=gettext_lazy("Certificate"),
        required=False,
        help_text=gettext_lazy("Instead of a secret: a PEM file with the private key and the certificate."),
    )

    class Meta:
        model = CRMConnection
        fields = ("name", "address", "authority", "tenant_id", "client_id")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if set_at := self.instance.client_secret_set_at:
            self.fields["new_secret"].help_text = _("Set on %(when)s. Leave empty to keep it.") % {"when": _day(set_at)}
        if until := self.instance.certificate_expires_at:
            known = {"thumbprint": self.instance.certificate_thumbprint, "when": _day(until)}
            text = _("In use: %(thumbprint)s, valid until %(when)s. Leave empty to keep it.")
            self.fields["new_certificate"].help_text = text % known

    def clean_new_certificate(self) -> str:
        """The PEM text of the file, or what is wrong with it."""
        file = self.cleaned_data["new_certificate"]
        if not file:
            return ""
        pem = file.read(MOST_CHARACTERS + 1).decode("ascii", "replace")
        try:
            CRMConnection().set_certificate(pem)
        except CertificateUnusable as error:
            raise ValidationError(str(error)) from None
        return str(pem)

    def clean(self) -> dict[str, Any] | None:
        """Exactly one credential, unless one is stored; and nothing at all while the connection is enabled."""
        if self.instance.is_enabled:
            raise ValidationError(str(SettingsLocked()))
        secret, certificate = self.cleaned_data.get("new_secret"), self.cleaned_data.get("new_certificate")
        if secret and certificate:
            self.add_error("new_certificate", _("Enter a secret or a certificate, not both."))
        stored = self.instance.client_secret or self.instance.certificate
        if not (secret or certificate or stored or self.errors):
            self.add_error("new_secret", _("Enter the secret, or give a certificate."))
        return super().clean()

    def clean_address(self) -> str:
        """The address without the path that people paste, or what is wrong with it."""
        try:
            return crm_address(self.cleaned_data["address"])
        except AddressRefused as error:
            raise ValidationError(str(error)) from None

    def clean_authority(self) -> str:
        """The login server, or what is wrong with it."""
        authority = str(self.cleaned_data["authority"])
        try:
            return login_address("", authority) if authority else ""
        except AddressRefused as error:
            raise ValidationError(str(error)) from None

    def save(self, commit: bool = True) -> CRMConnection:
        """Store the settings, and the credential where a new one was given."""
        if text := self.cleaned_data["new_secret"]:
            self.instance.set_secret(text)
        if pem := self.cleaned_data["new_certificate"]:
            self.instance.set_certificate(pem)
        self._forget_what_was_of_others()
        return super().save(commit)

    def is_new(self, name: str) -> bool:
        """Whether what will be stored differs from what is stored, however it was typed."""
        return bool(self.cleaned_data[name] != self.initial.get(name, ""))

    def _forget_what_was_of_others(self) -> None:
        """Another environment has a solution of its own, and another application is another user (S34)."""
        if self.is_new("address"):
            self.instance.solution_version = ""
        if self.is_new("address") or self.is_new("client_id"):
            self.instance.sync_user_name, self.instance.user_id = "", None


def _day(moment: datetime) -> str:
    return date_format(localtime(moment), _("Y-m-d H:i"))
