"""**User Card**: a user's page, with the action *Change Web Service Key* (S46)."""

from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.generic import DetailView, FormView, ListView

from financials.models import WebServiceKey

# Django's generic views take type arguments only in their stubs.
if TYPE_CHECKING:
    Users = ListView[User]
    Card = DetailView[User]
    KeyForm = FormView["WebServiceKeyForm"]
else:
    Users, Card, KeyForm = ListView, DetailView, FormView


class WebServiceKeyForm(forms.Form):
    """When the new key expires, if it does."""

    expires_on = forms.DateField(
        label=gettext_lazy("Expires on"),
        required=False,
        help_text=gettext_lazy("The last day on which the key works. Blank: it does not expire."),
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}),
    )

    def clean_expires_on(self) -> Any:
        """Refuse a day that is over."""
        day = self.cleaned_data["expires_on"]
        if day and day < timezone.localdate():
            raise forms.ValidationError(_("The day is over. Choose today or later."))
        return day

    @property
    def expires_at(self) -> datetime | None:
        """The end of the day that was chosen."""
        day = self.cleaned_data["expires_on"]
        return timezone.make_aware(datetime.combine(day, time.max)) if day else None


class UserListView(PermissionRequiredMixin, Users):
    """The users, each with the way to his card."""

    permission_required = "auth.view_user"
    template_name = "crmbridge/users/list.html"
    paginate_by = 100
    queryset = User.objects.select_related("web_service_key").prefetch_related("groups").order_by("username")


class UserCardView(PermissionRequiredMixin, Card):
    """One user; everybody may see his own card."""

    template_name = "crmbridge/users/card.html"
    context_object_name = "person"
    queryset = User.objects.select_related("web_service_key").prefetch_related("groups")

    def has_permission(self) -> bool:
        """Whether it is one's own, or one may see users."""
        user = self.request.user
        return user.pk == self.kwargs["pk"] or user.has_perm("auth.view_user")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The user, his groups in the reader's language, and his key's state."""
        groups = [_(group.name) for group in self.object.groups.all()]
        key = getattr(self.object, "web_service_key", None)
        return super().get_context_data(**kwargs) | {"groups": groups, "key": key}


@method_decorator(never_cache, name="dispatch")
class ChangeWebServiceKeyView(PermissionRequiredMixin, KeyForm):
    """The action **Change Web Service Key**: asks for an expiry date, then shows the new key, this once."""

    permission_required = "financials.change_webservicekey"
    template_name = "crmbridge/users/change_key.html"
    form_class = WebServiceKeyForm

    @property
    def person(self) -> User:
        """The user whose key is changed."""
        return get_object_or_404(User, pk=self.kwargs["pk"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The user, and whether he has a key that will stop working."""
        has_key = WebServiceKey.objects.filter(user=self.kwargs["pk"]).exists()
        return super().get_context_data(**kwargs) | {"person": self.person, "has_key": has_key}

    def form_valid(self, form: WebServiceKeyForm) -> HttpResponse:
        """Change the key and show the new one; not as a message, because those travel through cookies."""
        key = WebServiceKey.change(self.person, by=str(self.request.user), expires_at=form.expires_at)
        context = {"person": self.person, "key": key, "service": self.request.build_absolute_uri("/odata/v4/")}
        return render(self.request, "crmbridge/users/new_key.html", context)
