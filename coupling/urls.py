"""Addresses of the pages of mapped tables."""

from collections.abc import Sequence

from django.urls import URLPattern, path

from coupling.listing import FILTERS, RecordFilter
from coupling.views import RecordListView, RecordView

app_name = "coupling"


def table_urls(more_filters: Sequence[RecordFilter] = ()) -> tuple[list[URLPattern], str]:
    """The addresses, for `include`; higher rooms bring filters that this room cannot know."""
    filters = (*FILTERS, *more_filters)
    return [
        path("<str:table>/", RecordListView.as_view(filters=filters), name="records"),
        path("<str:table>/<uuid:erp_id>/", RecordView.as_view(), name="record"),
    ], app_name
