"""Addresses of the pages about moved data, the job queue, the full synchronization and notifications."""

from django.urls import path

from sync.notification_views import BellView, MailChoiceView, NotificationListView, ReadView
from sync.queue_views import EntryActionView, EntryListView, EntryView, ScheduleView
from sync.review_views import ActionView, CancelView, FullSynchronizationView, LineActionView, PrepareView
from sync.views import ConflictListView, ErrorListView, JobListView, JobView, RecordStoryView

app_name = "sync"

urlpatterns = [
    path("jobs/", JobListView.as_view(), name="jobs"),
    path("jobs/<int:pk>/", JobView.as_view(), name="job"),
    path("errors/", ErrorListView.as_view(), name="errors"),
    path("conflicts/", ConflictListView.as_view(), name="conflicts"),
    path("sync/records/<str:table>/<uuid:erp_id>/", RecordStoryView.as_view(), name="record"),
    path("notifications/", NotificationListView.as_view(), name="notifications"),
    path("notifications/bell/", BellView.as_view(), name="bell"),
    path("notifications/read/", ReadView.as_view(), name="read_notifications"),
    path("notifications/e-mail/", MailChoiceView.as_view(), name="mail_choice"),
    path("job-queue/", EntryListView.as_view(), name="entries"),
    path("job-queue/<int:pk>/", EntryView.as_view(), name="entry"),
    path("job-queue/<int:pk>/schedule/", ScheduleView.as_view(), name="schedule"),
    path("job-queue/<int:pk>/<slug:action>/", EntryActionView.as_view(), name="entry_action"),
    path("full-synchronization/", FullSynchronizationView.as_view(), name="full_synchronization"),
    path("full-synchronization/prepare/", PrepareView.as_view(), name="prepare_full_synchronization"),
    path("full-synchronization/<int:pk>/", FullSynchronizationView.as_view(), name="full_synchronization_of"),
    path("full-synchronization/<int:pk>/cancel/", CancelView.as_view(), name="cancel_full_synchronization"),
    path("full-synchronization/<int:pk>/<slug:action>/", ActionView.as_view(), name="full_synchronization_action"),
    path("full-synchronization/lines/<int:pk>/<slug:action>/", LineActionView.as_view(), name="review_line_action"),
]
