"""The tasks of the set-up; each is a step of the guide, and a page of the window."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.decorators import method_decorator
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from connection.check import check_connection
from connection.errors import CRMBridgeError, FixSetup
from connection.models import CRMConnection
from connection.preflight.finding import Finding
from connection.solution import ImportRunning, Standing, latest_import, solution_state
from connection.users import SyncUserUnsuitable, find_sync_user, refuse_disabled, role_state
from coupling.preflight.check import preflight
from crmbridge.guide.forms import AddressForm, ImportForm, NothingToEnter, OptionsForm, TablesForm
from crmbridge.guide.sandbox_offer import sandbox_offer
from crmbridge.guide.switching import couple_untouched_options
from crmbridge.guide.tables import needed_by
from crmbridge.guide.task import Obstacle, TaskView
from crmbridge.models import GuideDraft
from crmbridge.web_services import availability_steps


class NotReady(FixSetup):
    """The preflight has found what would make the synchronization fail."""

    text = gettext_lazy("Something stands in the way.")

    def __init__(self, blockers: Sequence[Finding]) -> None:
        super().__init__(fix=" ".join(f"{each.table} {each.text} {each.fix}".strip() for each in blockers))


class SolutionNotImported(FixSetup):
    """The guide waits for the import that was chosen."""

    text = gettext_lazy("The solution is not imported yet.")
    fix = gettext_lazy("Let an administrator sign in and import it, or choose to go on without it.")


@method_decorator(sensitive_post_parameters("new_secret", "new_certificate"), name="dispatch")
class AddressView(TaskView):
    """Step 2: where the environment is, and how crmbridge signs in."""

    step = "address"
    needs_connection = False
    form_class = AddressForm

    def get_form_kwargs(self) -> dict[str, Any]:
        """The stored connection, or a new one; what the sandbox needs where its button was pressed."""
        kwargs = super().get_form_kwargs() | {"instance": self.connection or CRMConnection()}
        offer = sandbox_offer()
        if offer and kwargs.get("data") and "use_sandbox" in kwargs["data"]:
            data = QueryDict(mutable=True)
            data.update({"seen": kwargs["data"].get("seen", ""), **offer.as_input()})
            kwargs["data"] = data
        return kwargs

    def store(self, form: AddressForm) -> None:
        """Save; the form has made the connection where there was none."""
        super().store(form)
        self.connection = form.instance

    def obstacle(self) -> Obstacle | None:
        """The sign-in must work; what the user may do in the CRM is the matter of later steps."""
        assert self.connection
        report = check_connection(self.connection)
        return None if report.signs_in else report

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the sandbox, where one runs here."""
        return super().get_context_data(**kwargs) | {"offer": sandbox_offer()}


class TablesView(TaskView):
    """Step 3: which data is synchronized (S19). It can be changed at any time (S53)."""

    step = "data"
    permission_required = ("connection.change_crmconnection", "coupling.change_tablemapping")
    form_class = TablesForm
    is_locked_while_enabled = False
    needs_connection = False

    def get_form_kwargs(self) -> dict[str, Any]:
        """The connection tells the base currency."""
        return super().get_form_kwargs() | {"connection": self.connection}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With a line for every table."""
        context = super().get_context_data(**kwargs)
        return context | {"lines": lines(context["form"])}


def lines(form: TablesForm) -> list[dict[str, Any]]:
    """The tables with what is ticked, and which of them are ticked because others need them."""
    ticked = form.ticked
    needs = needed_by(ticked, form.offered)
    return [
        {"choice": choice, "is_ticked": choice.name in ticked, "needed_by": needs[choice.name]}
        for choice in form.offered
    ]


class SolutionView(TaskView):
    """Step 4: import the solution under an administrator's sign-in, or go on without it (S21 to S23)."""

    step = "solution"

    def get_form_class(self) -> type[ImportForm | NothingToEnter]:
        """By hand there is nothing to choose: whoever comes here wants the solution imported."""
        return ImportForm if self.is_in_guide else NothingToEnter

    def get_form_kwargs(self) -> dict[str, Any]:
        """The choice is kept with the guide."""
        kwargs = super().get_form_kwargs()
        return kwargs | {"instance": self.progress.draft} if self.is_in_guide else kwargs

    def get_initial(self) -> dict[str, Any]:
        """A new environment needs the solution."""
        chosen = self.progress.draft.imports_solution if self.progress.draft else None
        return {"imports_solution": str(chosen if chosen is not None else True)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Signing in is what is to be done here as long as nothing is installed."""
        latest = latest_import(self.connection) if self.connection else None
        return super().get_context_data(**kwargs) | {
            "is_missing": not (self.connection and self.connection.solution_version),
            "is_running": latest is not None and latest.state == latest.State.RUNNING,
        }

    def obstacle(self) -> Obstacle | None:
        """Who has chosen the import does not go on before it is done (S22)."""
        assert self.progress.draft
        assert self.connection
        if not GuideDraft.objects.get(pk=self.progress.draft.pk).imports_solution:
            return None
        return _why_not_imported(self.connection)


def _why_not_imported(connection: CRMConnection) -> CRMBridgeError | None:
    state, latest = solution_state(connection), latest_import(connection)
    if state.ok:
        return None
    if latest and latest.state == latest.State.RUNNING:
        return ImportRunning()
    if state.standing is Standing.OUTDATED:
        text = gettext_lazy("Dynamics CRM has the older version {installed} of the solution; {shipped} is needed.")
        return SolutionNotImported(format_lazy(text, installed=state.installed, shipped=state.shipped))
    return SolutionNotImported()


class UserView(TaskView):
    """Step 5: the one account that everything is synchronized through (S34 to S38)."""

    step = "user"
    form_class = NothingToEnter

    def obstacle(self) -> Obstacle | None:
        """The account must be a user of the CRM, and no administrator; what rights it lacks, the preflight tells."""
        assert self.connection
        roles = role_state(self.connection)
        if roles.error:
            return roles.error
        return SyncUserUnsuitable() if roles.is_administrator else None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the account that the sign-in names."""
        known = self.connection.sync_user_name or self.connection.client_id if self.connection else ""
        is_missing = not (self.connection and self.connection.sync_user_name)
        return super().get_context_data(**kwargs) | {"sync_user": known, "is_missing": is_missing}


class OptionsView(TaskView):
    """Step 6: item availability and sales order integration (S44 to S51)."""

    step = "options"
    form_class = OptionsForm
    unknown_user: CRMBridgeError | None = None

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask the CRM for the account of the sales orders first, because asking takes time and the set-up is locked."""
        name = request.POST.get("sales_order_user", "").strip()
        if name and "is_sales_order_integration_on" in request.POST and self.connection and not self.is_locked:
            self.unknown_user = why_unknown(self.connection, name)
        return super().post(request, *args, **kwargs)

    def go_on(self, form: OptionsForm) -> HttpResponse:
        """The preflight comes next, which is to name only those codes without an option that a person must couple."""
        if self.is_in_guide and self.connection:
            couple_untouched_options(self.connection)
        return super().go_on(form)

    def get_form_kwargs(self) -> dict[str, Any]:
        """The options are those of the connection."""
        return super().get_form_kwargs() | {
            "instance": self.connection or CRMConnection(),
            "unknown_user": self.unknown_user,
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the two steps of item availability and their state (S48)."""
        context = super().get_context_data(**kwargs)
        return context | {"availability": availability_steps(context["form"].named_user)}


class CheckView(TaskView):
    """Step 7: everything that would go wrong, found before anything is written (E14)."""

    step = "check"
    form_class = NothingToEnter

    def obstacle(self) -> Obstacle | None:
        """Who goes on does so with nothing in the way, whatever the page has shown before."""
        assert self.connection
        if not_ready := why_not_ready(self.connection):
            return not_ready
        # With its roles the account may ask at last who and where it is; the last step shows it.
        check_connection(self.connection)
        return None


def why_not_ready(connection: CRMConnection) -> NotReady | None:
    """What the preflight finds in the way now; None where nothing is."""
    report = preflight(connection)
    return None if report.is_ready else NotReady(report.blockers)


def why_unknown(connection: CRMConnection, name: str) -> CRMBridgeError | None:
    """Why the CRM has no such user, does not let it in, or cannot say; None where it does."""
    try:
        refuse_disabled(find_sync_user(connection.client(), name))
    except CRMBridgeError as error:
        return error
    return None
