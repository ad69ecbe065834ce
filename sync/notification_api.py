"""The API of notifications: to read them, and to note that one has."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.response import Response

from coupling.models import TableMapping
from sync.models import Notification


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """One cause; `text` and `fix` are in the language asked for with Accept-Language."""

    mapping = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)
    text = serializers.CharField(source="message_text", read_only=True)
    fix = serializers.CharField(source="fix_text", read_only=True)
    is_read = serializers.BooleanField(read_only=True)

    class Meta:
        model = Notification
        fields = ("id", "kind", "mapping", "text", "fix", "address", "count", "times", "since", "ended_at", "is_read")


class SeeToRead(DjangoModelPermissions):
    """Whoever may see notifications may also note that he has read them: that is his own affair."""

    perms_map = {method: ["%(app_label)s.view_%(model_name)s"] for method in ("GET", "HEAD", "POST", "OPTIONS")}


class NotificationViewSet(viewsets.ReadOnlyModelViewSet[Notification]):
    """What needs attention, newest first; `ended_at__isnull=true` gives what still does."""

    queryset = Notification.objects.select_related("mapping")
    serializer_class = NotificationSerializer
    permission_classes = (SeeToRead,)
    filterset_fields = {"kind": ["exact"], "mapping__name": ["exact"], "ended_at": ["isnull"]}

    def get_queryset(self) -> QuerySet[Notification]:
        """The notifications as the asking user knows them."""
        return Notification.seen_by(self.request.user)

    @extend_schema(request=None, responses={200: NotificationSerializer})
    @action(detail=True, methods=["post"])
    def read(self, request: Request, **kwargs: Any) -> Response:
        """Note that this one has been read."""
        Notification.read(_reader(request), Notification.objects.filter(pk=self.get_object().pk))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses={204: None})
    @action(detail=False, methods=["post"], url_path="read-all")
    def read_all(self, request: Request) -> Response:
        """Note that all that stand have been read."""
        Notification.read(_reader(request), Notification.unread_by(request.user))
        return Response(status=204)


def _reader(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user
