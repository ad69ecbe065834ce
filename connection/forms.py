"""The form of the connection: the secret goes in and never comes out."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connection.dataverse.address import crm_address, login_address
from connection.dataverse.errors import AddressRefused
from connection.models import CRMConnection

if TYPE_CHECKING:
    ConnectionModelForm = forms.ModelForm[CRMConnection]
else:
    ConnectionModelForm = forms.ModelForm


class ConnectionForm(ConnectionModelForm):
    """Address, application and secret. An empty secret leaves the stored one."""

    new_secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = CRMConnection
        fields = ("name", "address", "authority", "tenant_id", "client_id")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_secret"].required = not self.instance.client_secret
        if set_at := self.instance.client_secret_set_at:
            when = date_format(localtime(set_at), "SHORT_DATETIME_FORMAT")
            self.fields["new_secret"].help_text = _("Set on %(when)s. Leave empty to keep it.") % {"when": when}

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
        """Store the settings, and the secret where a new one was entered."""
        if text := self.cleaned_data["new_secret"]:
            self.instance.set_secret(text)
        if self.instance.is_enabled and "address" in self.changed_data:
            # Couplings belong to an environment: nothing may flow to another one before somebody has looked at it.
            self.instance.is_enabled = False
            self.instance.disable_reason = _("The address was changed. Test and enable the connection again.")
        return super().save(commit)
