"""**Company Settings**: the page where the experience is chosen (S8)."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.generic import UpdateView

from financials.models import CompanySettings

# Django's generic views and forms take type arguments only in their stubs.
if TYPE_CHECKING:
    Update = UpdateView[CompanySettings, "CompanySettingsForm"]
    ModelForm = forms.ModelForm[CompanySettings]
else:
    Update, ModelForm = UpdateView, forms.ModelForm


class CompanySettingsForm(ModelForm):
    """The settings that a person enters."""

    class Meta:
        model = CompanySettings
        fields = (
            "company_name",
            "experience",
            "lcy_code",
            "local_currency_symbol",
            "local_currency_description",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_choice = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if is_choice else "form-control"


class CompanySettingsView(PermissionRequiredMixin, Update):
    """Whoever may see the settings sees them; changing them takes the permission to."""

    permission_required = "financials.view_companysettings"
    template_name = "financials/company.html"
    form_class = CompanySettingsForm
    success_url = reverse_lazy("company")
    http_method_names = ["get", "post", "head", "options"]

    def get_object(self, queryset: Any = None) -> CompanySettings:
        """The one row; a fresh one where nothing was entered yet."""
        return CompanySettings.current()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Save what was entered.

        Raises:
            PermissionDenied: the user may look only.
        """
        if not request.user.has_perm("financials.change_companysettings"):
            raise PermissionDenied
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: CompanySettingsForm) -> HttpResponse:
        """Save, say so, and show the page again."""
        messages.success(self.request, _("The company settings are saved."))
        return super().form_valid(form)
