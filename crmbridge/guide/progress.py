"""How far the guide has come, who did what, and that only one administrator finishes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from connection.models import CRMConnection
from crmbridge.guide.steps import CHECK, NAMES, STEPS, Step
from crmbridge.models import GuideDraft, GuideStep


@dataclass(frozen=True, slots=True)
class Mark:
    """One step as the list beside the guide shows it."""

    step: Step
    done: GuideStep | None
    is_current: bool
    is_open: bool


class Progress:
    """The steps of the open guide, if there is one."""

    def __init__(self, draft: GuideDraft | None) -> None:
        self.draft = draft
        self.done: Mapping[str, GuideStep] = {}
        if draft:
            self.done = {step.name: step for step in draft.steps.select_related("done_by")}

    @property
    def next_step(self) -> str:
        """The first step that nobody has completed: where the guide is taken up again."""
        return next((name for name in NAMES if name not in self.done), NAMES[-1])

    def is_open(self, name: str) -> bool:
        """Whether the step may be opened: everything before it is done."""
        return NAMES.index(name) <= NAMES.index(self.next_step)

    def marks(self, current: str) -> list[Mark]:
        """Every step, for the list beside the guide."""
        return [Mark(step, self.done.get(step.name), step.name == current, self.is_open(step.name)) for step in STEPS]


def open_draft() -> GuideDraft | None:
    """The guide that is under way."""
    return GuideDraft.objects.filter(is_finished=False).select_related("started_by").first()


def last_finished() -> GuideDraft | None:
    """The guide that was finished last."""
    finished = GuideDraft.objects.filter(is_finished=True).select_related("finished_by")
    return finished.order_by("-finished_at").first()


def begin(user: User) -> GuideDraft:
    """The guide that is under way; a new one where there is none."""
    draft, _is_new = GuideDraft.objects.get_or_create(is_finished=False, defaults={"started_by": user})
    return draft


def complete(draft: GuideDraft, name: str, user: User) -> None:
    """Note that `user` completed the step now."""
    draft.steps.update_or_create(name=name, defaults={"done_by": user, "done_at": timezone.now()})


def reconsider(name: str, *others: str) -> None:
    """The data of the step `name` has changed: `others`, and what was checked after it, must be gone through again."""
    again = [*others, CHECK] if NAMES.index(name) < NAMES.index(CHECK) else others
    GuideStep.objects.filter(draft__is_finished=False, name__in=again).delete()


def reopen_check() -> None:
    """What was checked has been changed since, not by the guide: it must be gone through again."""
    GuideStep.objects.filter(draft__is_finished=False, name=CHECK).delete()


def finish(draft: GuideDraft, user: User) -> bool:
    """Close the guide. False where somebody else was faster: what follows is done once."""
    return bool(
        GuideDraft.objects.filter(pk=draft.pk, is_finished=False).update(
            is_finished=True, finished_by=user, finished_at=timezone.now()
        )
    )


def one_at_a_time() -> None:
    """Hold other changes of the set-up back until the caller's transaction ends, also before there is a connection."""
    kind = ContentType.objects.get_for_model(CRMConnection)
    ContentType.objects.select_for_update().get(pk=kind.pk)
