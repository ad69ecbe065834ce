"""The forms of the set-up, each used by the guide and by the window (S17, S18)."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connection.errors import CRMBridgeError, Text
from connection.forms import ConnectionForm
from connection.models import CRMConnection
from coupling.models import TableMapping
from crmbridge.guide.seen import SeenForm
from crmbridge.guide.tables import Choice, choices, choose, with_prerequisites
from crmbridge.models import GuideDraft
from crmbridge.web_services import refusal_to_enable, user_numbered
from financials.models import CompanySettings, WebServiceKey

SECRET, CERTIFICATE = "secret", "certificate"


def dress(form: forms.BaseForm) -> None:
    """Give the inputs Bootstrap's classes, and tie help texts and complaints to them for screen readers."""
    for field in form.fields.values():
        widget = field.widget
        if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple):
            widget.attrs.setdefault("class", "form-check-input")
        elif isinstance(widget, forms.Select):
            widget.attrs.setdefault("class", "form-select")
        else:
            widget.attrs.setdefault("class", "form-control")


class AddressForm(ConnectionForm, SeenForm):
    """The environment and how crmbridge signs in to it."""

    method = forms.ChoiceField(
        label=gettext_lazy("crmbridge signs in with"),
        choices=[(SECRET, gettext_lazy("a client secret")), (CERTIFICATE, gettext_lazy("a certificate"))],
        widget=forms.RadioSelect,
    )

    class Meta:
        model = CRMConnection
        fields = ("address", "tenant_id", "client_id", "authority")
        labels = {"address": gettext_lazy("Environment address")}
        help_texts = {
            "address": gettext_lazy("As your browser shows it when you work in Dynamics CRM."),
            "tenant_id": gettext_lazy("Directory (tenant) ID or domain, from the app registration."),
            "client_id": gettext_lazy("Application (client) ID of the app registration."),
        }
        error_messages = {
            "address": {"required": gettext_lazy("Enter the address, such as https://contoso.crm4.dynamics.com.")},
            "tenant_id": {"required": gettext_lazy("Enter the tenant: you find it on the app registration's page.")},
            "client_id": {"required": gettext_lazy("Enter the client ID: you find it on the app registration's page.")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connection = self.instance
        method = CERTIFICATE if connection.certificate else SECRET
        self.initial["method"] = method
        stored = {name: getattr(connection, name) for name in self.Meta.fields} | {"method": method}
        self.remember(stored, connection.client_secret_set_at, connection.certificate_thumbprint)
        self.fields["address"].widget.attrs |= {
            "inputmode": "url",
            "autocomplete": "url",
            "spellcheck": "false",
            "hx-get": reverse("guide:address"),
            "hx-trigger": "input changed delay:300ms",
            "hx-target": "#address-said",
        }
        dress(self)

    @property
    def unsettles(self) -> Sequence[str]:
        """Another environment lacks the solution (S22), and there or as another application we are another user."""
        return ("solution", "user") if self.is_new("address") else ("user",) if self.is_new("client_id") else ()

    def clean(self) -> dict[str, Any] | None:
        """Only the credential of the chosen method counts; it is asked for where none of its kind is stored."""
        unused = "new_certificate" if self.cleaned_data.get("method") == SECRET else "new_secret"
        self.cleaned_data[unused] = ""
        self.errors.pop(unused, None)
        if self.cleaned_data.get("method") == CERTIFICATE and not self.instance.certificate:
            self._ask_for("new_certificate", _("Choose the file with the private key and the certificate."))
        if self.cleaned_data.get("method") == SECRET and not self.instance.client_secret:
            self._ask_for("new_secret", _("Enter the client secret."))
        return self.cleaned_data

    def _ask_for(self, name: str, complaint: str) -> None:
        if not self.cleaned_data.get(name) and name not in self.errors:
            self.add_error(name, complaint)


class ConsentForm(SeenForm, forms.Form):
    """Step 1: the administrator has read what will happen and wants it."""

    consent = forms.BooleanField(
        label=gettext_lazy("I have read this, and I may connect my company's data with Dynamics CRM."),
        error_messages={"required": gettext_lazy("Tick the box to go on: nothing is sent without your consent.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remember({})
        dress(self)


class TablesForm(SeenForm, forms.Form):
    """Which data is synchronized. What the chosen tables need is chosen with them."""

    tables = forms.MultipleChoiceField(
        label=gettext_lazy("Data to synchronize"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one table.")},
    )

    def __init__(self, *args: Any, connection: CRMConnection | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = connection
        self.offered: Sequence[Choice] = choices()
        field = self.fields["tables"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(choice.name, choice.title) for choice in self.offered]
        self.initial["tables"] = self._chosen()
        self.remember({"tables": self.initial["tables"]})

    @property
    def ticked(self) -> set[str]:
        """What is ticked, as stored or as entered, with what that needs."""
        return with_prerequisites(self["tables"].value() or [], self.offered)

    def clean(self) -> dict[str, Any]:
        """The local currency must be known: it is what a blank currency means."""
        if not CompanySettings.current().lcy_code:
            say = _('Enter the company\'s local currency (LCY Code) first: <a href="{address}">Company Settings</a>')
            raise ValidationError(format_html(say, address=reverse("company")))
        return self.cleaned_data

    def save(self) -> None:
        """Switch the mappings on and off as chosen."""
        choose(with_prerequisites(self.cleaned_data["tables"], self.offered), self.connection)

    def _chosen(self) -> list[str]:
        """The mappings that are on; before there are any, all that are offered, because most companies want them."""
        is_first = not TableMapping.objects.exists()
        on = [each.name for each in self.offered if each.is_enabled or is_first]
        return sorted(with_prerequisites(on, self.offered))


def _one_of_two(label: Text, yes: Text, no: Text) -> forms.TypedChoiceField:
    """A question that is answered by choosing; neither goes without saying."""
    return forms.TypedChoiceField(
        label=label,
        choices=[("True", yes), ("False", no)],
        coerce=lambda value: value == "True",
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose one of the two.")},
    )


class _DraftForm(SeenForm, forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes arguments only in its stubs
    """A choice that belongs to the guide itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remember({name: getattr(self.instance, name) for name in self.fields})
        dress(self)

    def save(self, commit: bool = True) -> GuideDraft:
        """Store the choice alone."""
        draft: GuideDraft = self.instance
        draft.save(update_fields=list(self.fields))
        return draft


class ImportForm(_DraftForm):
    """Step 4: import the solution, or go on without it (S21, S23)."""

    imports_solution = _one_of_two(
        gettext_lazy("Dynamics CRM solution"),
        gettext_lazy("Import the solution into Dynamics CRM"),
        gettext_lazy("Go on without importing it"),
    )

    class Meta:
        model = GuideDraft
        fields = ("imports_solution",)


class NothingToEnter(SeenForm, forms.Form):
    """A task whose work is done elsewhere, by the CRM's administrator or by a check."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remember({})

    def save(self) -> None:
        """Nothing is stored."""


class OptionsForm(SeenForm, forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes arguments only in its stubs
    """Step 6: item availability and sales order integration, each with its account (S39, S44 to S51).

    `unknown_user` is why the CRM does not know the account of the sales orders, where it was asked.
    """

    class Meta:
        model = CRMConnection
        fields = ("is_item_availability_on", "odata_user", "is_sales_order_integration_on", "sales_order_user")
        labels = {
            "is_item_availability_on": gettext_lazy("Item availability"),
            "odata_user": gettext_lazy("OData web service user"),
            "is_sales_order_integration_on": gettext_lazy("Sales order integration"),
            "sales_order_user": gettext_lazy("User who handles the sales orders"),
        }
        help_texts = {
            "odata_user": gettext_lazy("The user whose web services access key Dynamics CRM signs in with."),
            "sales_order_user": gettext_lazy("The synchronization user or another account of Dynamics CRM."),
        }

    def __init__(self, *args: Any, unknown_user: CRMBridgeError | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connection, self.unknown_user = self.instance, unknown_user
        self.remember(
            {name: getattr(connection, name) for name in self.Meta.fields if name != "odata_user"}
            | {"odata_user": connection.odata_user_id}
        )
        self.initial["sales_order_user"] = (
            connection.sales_order_user or connection.sync_user_name or connection.client_id
        )
        self.initial["odata_user"] = connection.odata_user_id or _keeper_of_a_key()
        self.fields["odata_user"].widget.attrs |= {
            "hx-get": reverse("guide:availability"),
            "hx-trigger": "change",
            "hx-target": "#availability",
        }
        dress(self)

    @property
    def named_user(self) -> User | None:
        """The OData web service user that is stored, entered or proposed."""
        return user_numbered(str(self["odata_user"].value() or ""))

    def clean(self) -> dict[str, Any]:
        """An option that lacks something is not enabled (S45)."""
        given: dict[str, Any] = self.cleaned_data
        if given.get("is_item_availability_on") and (refusal := refusal_to_enable(given.get("odata_user"))):
            self.add_error("odata_user", str(refusal))
        if given.get("is_sales_order_integration_on"):
            if not given.get("sales_order_user"):
                self.add_error("sales_order_user", _("Name the user who handles the sales orders."))
            elif self.unknown_user:
                self.add_error("sales_order_user", str(self.unknown_user))
        return given

    def save(self, commit: bool = True) -> CRMConnection:
        """Store the options alone."""
        connection: CRMConnection = self.instance
        connection.save(update_fields=list(self.Meta.fields))
        return connection


def _keeper_of_a_key() -> int | None:
    """The user with a web services access key, where there is just one (S40)."""
    keys = list(WebServiceKey.objects.values_list("user_id", flat=True)[:2])
    return keys[0] if len(keys) == 1 else None


class FinishForm(_DraftForm):
    """Step 8: enable, and run a full synchronization or not (S24, S25)."""

    runs_full_synchronization = _one_of_two(
        gettext_lazy("After enabling"),
        gettext_lazy("Run Full Synchronization"),
        gettext_lazy("Finish without synchronizing"),
    )

    class Meta:
        model = GuideDraft
        fields = ("runs_full_synchronization",)
