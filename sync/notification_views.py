"""The page **Notifications**, the bell in the header, and who gets e-mail (C7)."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views import View
from django.views.generic import ListView, TemplateView

from sync.digest import gets_mail
from sync.models import MailReceiver, Notification
from sync.notifying import look_out

PAGE_SIZE = 50
LOOK_EVERY = 60

# Django's generic views take type arguments only in their stubs.
if TYPE_CHECKING:
    NotificationList = ListView[Notification]
    MailForm = forms.ModelForm[MailReceiver]
else:
    NotificationList, MailForm = ListView, forms.ModelForm


class MailChoiceForm(MailForm):
    """Whether one gets e-mail, and in which language."""

    is_wanted = forms.BooleanField(
        label=gettext_lazy("Send me e-mail about what needs attention"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    class Meta:
        model = MailReceiver
        fields = ("is_wanted", "language")
        labels = {"language": gettext_lazy("Language of the e-mail")}
        widgets = {"language": forms.Select(choices=settings.LANGUAGES, attrs={"class": "form-select"})}


class NotificationListView(PermissionRequiredMixin, NotificationList):
    """What is wrong now, or with `?ended=1` what was."""

    permission_required = "sync.view_notification"
    template_name = "sync/notification_list.html"
    paginate_by = PAGE_SIZE
    context_object_name = "notifications"

    def get_queryset(self) -> QuerySet[Notification]:
        """Those asked for, as this reader knows them, with what has just gone wrong among them."""
        look_out(timezone.now())
        return Notification.seen_by(self.request.user).filter(ended_at__isnull=not self.is_past)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The notifications, and how e-mail is chosen."""
        return super().get_context_data(**kwargs) | {
            "is_past": self.is_past,
            "sends_mail": settings.SENDS_MAIL,
            "form": mail_form(self.request),
        }

    @property
    def is_past(self) -> bool:
        """Whether those are asked for that have ended."""
        return bool(self.request.GET.get("ended"))


class BellView(PermissionRequiredMixin, TemplateView):
    """How many notifications one has not read. Asked every minute by open pages, it also looks what is wrong: where no
    worker runs, nobody else does."""

    permission_required = "sync.view_notification"
    template_name = "includes/bell.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The bell as it is now; the frame counts what is unread."""
        if cache.add("sync.look_out", True, timeout=LOOK_EVERY):
            look_out(timezone.now())
        return super().get_context_data(**kwargs)


class ReadView(PermissionRequiredMixin, View):
    """Note that one has read the notification that is named, or else all that stand."""

    permission_required = "sync.view_notification"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Note it and go back to the page."""
        user, unread = _reader(request), Notification.unread_by(request.user)
        named = request.POST.get("notification", "")
        Notification.read(user, unread.filter(pk=named) if named.isdecimal() else unread)
        return redirect("sync:notifications")


class MailChoiceView(PermissionRequiredMixin, View):
    """Choose whether to get e-mail, and in which language."""

    permission_required = "sync.view_notification"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep the choice and go back to the page."""
        form = mail_form(request)
        if form.is_valid():
            form.instance.user = _reader(request)
            form.save()
            messages.success(request, _("Your choice has been kept."))
        else:
            messages.error(request, _("Choose one of the languages."))
        return redirect("sync:notifications")


def mail_form(request: HttpRequest) -> MailChoiceForm:
    """The reader's choice as it stands, with what has been sent filled in."""
    user = _reader(request)
    known = MailReceiver.objects.filter(user=user).first()
    language = (known.language if known else "") or (get_language() or "en").split("-")[0]
    initial = {"is_wanted": gets_mail(user), "language": language}
    return MailChoiceForm(request.POST or None, instance=known, initial=initial)


def _reader(request: HttpRequest) -> User:
    """Who asks: the pages let nobody in who is not signed in."""
    assert isinstance(request.user, User)
    return request.user
