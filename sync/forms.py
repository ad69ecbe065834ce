"""The form of a recurring job queue entry: when it runs, rests and raises the alarm (F6.1)."""

from typing import TYPE_CHECKING, Any

from django import forms

from sync.models import SCHEDULE, JobQueueEntry

# Django's generic forms take type arguments only in their stubs.
if TYPE_CHECKING:
    ModelForm = forms.ModelForm[JobQueueEntry]
else:
    ModelForm = forms.ModelForm


class ScheduleForm(ModelForm):
    """When a recurring entry runs."""

    class Meta:
        model = JobQueueEntry
        fields = SCHEDULE
        widgets = {
            name: forms.TimeInput(format="%H:%M", attrs={"type": "time"}) for name in ("quiet_from", "quiet_until")
        }
        help_texts = {"interval_minutes": "", "alarm_hours": ""}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["interval_minutes"].required = True
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"

    @property
    def chosen(self) -> dict[str, Any]:
        """What was changed."""
        return {name: self.cleaned_data[name] for name in self.changed_data}
