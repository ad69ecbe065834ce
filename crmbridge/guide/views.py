"""The guide: where it is taken up, its first and its last step, and the tasks between them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic import RedirectView

from connection.check import check_connection, enable
from connection.errors import CRMBridgeError
from crmbridge.guide import tasks
from crmbridge.guide.forms import ConsentForm, FinishForm
from crmbridge.guide.progress import Progress, begin, finish, last_finished, open_draft, reopen_check
from crmbridge.guide.steps import CHECK
from crmbridge.guide.tables import choices
from crmbridge.guide.task import SetupPage, TaskView
from crmbridge.models import GuideDraft
from financials.models import CompanySettings
from sync.fullsync import prepare


class ResumeView(SetupPage, RedirectView):
    """The guide where it was left, whoever left it."""

    http_method_names = ["get", "head"]

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        """The first step that is not done."""
        return reverse("guide:step", args=[Progress(open_draft()).next_step])


class StartView(TaskView):
    """Step 1: what is needed, what will happen, and the consent to it."""

    step = "start"
    form_class = ConsentForm

    def elsewhere(self) -> str:
        """The first page can always be seen."""
        return ""

    def store(self, form: ConsentForm) -> None:
        """Begin the guide, or take part in the one that is under way."""
        self.progress = Progress(begin(self.user))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With what became of the guide before."""
        return super().get_context_data(**kwargs) | {
            "last": last_finished(),
            "draft": self.progress.draft,
            "company": CompanySettings.current(),
        }


class FinishView(TaskView):
    """Step 8: enable, and lead on to full synchronization where it is wanted (S24, S25)."""

    step = "finish"
    form_class = FinishForm

    def get_form_kwargs(self) -> dict[str, Any]:
        """The choice is kept with the guide."""
        return super().get_form_kwargs() | {"instance": self._draft}

    def get_initial(self) -> dict[str, Any]:
        """Synchronizing is what most want now."""
        chosen = self._draft.runs_full_synchronization
        return {"runs_full_synchronization": str(chosen if chosen is not None else True)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With what is going to be enabled."""
        chosen = [choice.title for choice in choices() if choice.is_enabled]
        return super().get_context_data(**kwargs) | {"chosen": chosen}

    def go_on(self, form: FinishForm) -> HttpResponse:
        """Enable the connection; the guide stays here, and nothing is enabled, where the test fails (S26).

        Mappings are changed past the guide too: where the preflight would not let it pass now, it goes back there.
        """
        assert self.connection
        report = check_connection(self.connection)
        if report.ok and (not_ready := tasks.why_not_ready(self.connection)):
            return self._check_again(not_ready)
        if report.ok:
            report = enable(self.connection)
        if not report.ok:
            return self.render_to_response(self.get_context_data(form=form, obstacle=report))
        if not finish(self._draft, self.user):
            return self._already_finished()
        if form.instance.runs_full_synchronization:
            return self._review()
        messages.success(self.request, _("The connection is enabled. Records can be coupled now."))
        return HttpResponseRedirect(reverse("connection"))

    def _check_again(self, not_ready: tasks.NotReady) -> HttpResponse:
        reopen_check()
        messages.error(self.request, str(not_ready))
        return HttpResponseRedirect(reverse("guide:step", args=[CHECK]))

    def _review(self) -> HttpResponse:
        """**Run Full Synchronization** makes the lines of the review; nothing starts before Start is chosen there."""
        try:
            prepare(self.user)
        except CRMBridgeError as error:
            messages.error(self.request, str(error))
        return HttpResponseRedirect(reverse("sync:full_synchronization"))

    def _already_finished(self) -> HttpResponse:
        last = last_finished()
        messages.info(
            self.request,
            _("%(user)s has finished the guide a moment ago. Nothing was done twice.")
            % {"user": last.finished_by if last else ""},
        )
        return HttpResponseRedirect(reverse("connection"))

    @property
    def _draft(self) -> GuideDraft:
        assert self.progress.draft
        return self.progress.draft


VIEWS: dict[str, type[TaskView]] = {
    view.step: view
    for view in (
        StartView,
        tasks.AddressView,
        tasks.TablesView,
        tasks.SolutionView,
        tasks.UserView,
        tasks.OptionsView,
        tasks.CheckView,
        FinishView,
    )
}


def step(request: HttpRequest, name: str) -> HttpResponseBase:
    """One step of the guide."""
    return VIEWS[name].as_view(is_in_guide=True)(request)


def task(request: HttpRequest, name: str) -> HttpResponseBase:
    """The same task by hand."""
    return VIEWS[name].as_view()(request)
