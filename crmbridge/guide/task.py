"""A task of the set-up: the same page as a step of the guide and, by hand, as a page of the window (S17, S18)."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic import FormView

from connection.check import ConnectionReport
from connection.errors import CRMBridgeError
from connection.models import CRMConnection
from crmbridge.guide.progress import Progress, complete, one_at_a_time, open_draft, reconsider
from crmbridge.guide.seen import SeenForm
from crmbridge.guide.steps import STEPS, after, before

# Django's generic views take type arguments only in their stubs.
if TYPE_CHECKING:
    TaskForm = FormView[Any]
else:
    TaskForm = FormView

Obstacle = CRMBridgeError | ConnectionReport


class SetupPage(PermissionRequiredMixin):
    """Only administrators set up (S90)."""

    permission_required: str | tuple[str, ...] = "connection.change_crmconnection"
    request: HttpRequest

    @property
    def user(self) -> User:
        """Who is asking; the permission has been checked."""
        user = self.request.user
        assert isinstance(user, User)
        return user


class TaskView(SetupPage, TaskForm):
    """One form over the stored set-up. What two people enter at once is put before the later one, never lost."""

    http_method_names = ["get", "head", "post"]
    step: ClassVar[str]
    is_in_guide = False
    is_locked_while_enabled = True
    needs_connection = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Serve the page, or lead to the step that comes first."""
        if not self.has_permission():
            return self.handle_no_permission()
        self.connection = CRMConnection.current()
        self.progress = Progress(open_draft() if self.is_in_guide else None)
        if elsewhere := self.elsewhere():
            return HttpResponseRedirect(elsewhere)
        return super().dispatch(request, *args, **kwargs)

    def elsewhere(self) -> str:
        """The address to go to instead, or ''."""
        if self.is_in_guide and (self.progress.draft is None or (self.connection and self.connection.is_enabled)):
            return reverse("guide:step", args=["start"])
        if self.is_in_guide and not self.progress.is_open(self.step):
            return reverse("guide:step", args=[self.progress.next_step])
        if self.needs_connection and self.connection is None:
            messages.info(self.request, _("Enter the address and the sign-in of Dynamics CRM first."))
            return reverse("guide:step" if self.is_in_guide else "guide:task", args=["address"])
        return ""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Store the input, unless somebody else stored something since the reader opened the page."""
        with transaction.atomic():
            one_at_a_time()
            self.connection = CRMConnection.objects.select_for_update().order_by("pk").first()
            if self.is_locked:
                messages.error(request, _("Nothing was changed: somebody has enabled the connection meanwhile."))
                return HttpResponseRedirect(request.path)
            form = self.get_form()
            if form.is_overtaken or not form.is_valid():
                return self.render_to_response(self.get_context_data(form=form))
            self.store(form)
        return self.go_on(form)

    def store(self, form: Any) -> None:
        """Save the input; what was done and checked for what stood there before no longer counts."""
        if form.has_changed():
            reconsider(self.step, *form.unsettles)
        form.save()

    def go_on(self, form: Any) -> HttpResponse:
        """By hand, back to the window; in the guide, on to the next step where nothing stands in the way."""
        if not self.is_in_guide:
            messages.success(self.request, _("Saved."))
            return HttpResponseRedirect(reverse("connection"))
        if obstacle := self.obstacle():
            fresh = self.get_form_class()(**(self.get_form_kwargs() | {"data": None, "files": None}))
            return self.render_to_response(self.get_context_data(form=fresh, obstacle=obstacle))
        assert self.progress.draft
        complete(self.progress.draft, self.step, self.user)
        return HttpResponseRedirect(reverse("guide:step", args=[after(self.step)]))

    def obstacle(self) -> Obstacle | None:
        """What keeps the guide at this step although the input is stored."""
        return None

    @property
    def is_locked(self) -> bool:
        """Whether the connection must be disabled before this can be changed (F5.25)."""
        return self.is_locked_while_enabled and bool(self.connection and self.connection.is_enabled)

    def get_template_names(self) -> list[str]:
        """The page of the task, which is named after it."""
        return [f"crmbridge/guide/{self.step}.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The task in its frame."""
        back = before(self.step)
        form: SeenForm | None = kwargs.get("form")
        done = self.progress.done.get(self.step)
        return super().get_context_data(**kwargs) | {
            "frame": "crmbridge/guide/frame.html" if self.is_in_guide else "crmbridge/guide/by_hand.html",
            "step": next(step for step in STEPS if step.name == self.step),
            "number": [step.name for step in STEPS].index(self.step) + 1,
            "marks": self.progress.marks(self.step),
            "back": reverse("guide:step", args=[back]) if back else "",
            "connection": self.connection,
            "is_locked": self.is_locked,
            "is_in_guide": self.is_in_guide,
            "overtaken_by": done.done_by if done and form and form.is_overtaken else None,
        }
