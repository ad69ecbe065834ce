"""Addresses of the pages about moved data."""

from django.urls import path

from sync.views import ConflictListView, ErrorListView, JobListView, JobView, RecordStoryView

app_name = "sync"

urlpatterns = [
    path("jobs/", JobListView.as_view(), name="jobs"),
    path("jobs/<int:pk>/", JobView.as_view(), name="job"),
    path("errors/", ErrorListView.as_view(), name="errors"),
    path("conflicts/", ConflictListView.as_view(), name="conflicts"),
    path("sync/records/<str:table>/<uuid:erp_id>/", RecordStoryView.as_view(), name="record"),
]
