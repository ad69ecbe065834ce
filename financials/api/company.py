"""The company's settings, and the web services access keys of its users."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from financials.api.record import SYSTEM_FIELDS, ERPSerializer
from financials.models import CompanySettings, WebServiceKey


class CompanySettingsSerializer(ERPSerializer):
    """Company, experience and local currency."""

    class Meta:
        model = CompanySettings
        fields: ClassVar = [
            *SYSTEM_FIELDS,
            "company_name",
            "experience",
            "lcy_code",
            "local_currency_symbol",
            "local_currency_description",
        ]
        read_only_fields: ClassVar = SYSTEM_FIELDS


class WebServiceKeySerializer(serializers.ModelSerializer[WebServiceKey]):
    """A user's web services access key: when it was changed and used, never the key."""

    user = serializers.SlugRelatedField[User](slug_field="username", queryset=User.objects.all())

    class Meta:
        model = WebServiceKey
        fields = ("user", "set_at", "set_by", "expires_at", "last_used_at", "last_refused_at", "is_valid")
        read_only_fields = ("set_at", "set_by", "last_used_at", "last_refused_at", "is_valid")
        extra_kwargs: ClassVar[dict[str, Any]] = {"user": {"validators": []}}

    def validate_expires_at(self, value: Any) -> Any:
        """Refuse a moment that is over.

        Raises:
            serializers.ValidationError: it is.
        """
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(_("The day is over. Choose today or later."))
        return value


class NewWebServiceKeySerializer(WebServiceKeySerializer):
    """What is answered when a key was changed: also the key, this once."""

    key = serializers.CharField(read_only=True)

    class Meta(WebServiceKeySerializer.Meta):
        fields = (*WebServiceKeySerializer.Meta.fields, "key")  # type: ignore[assignment]  # one more than its parent


class CompanySettingsViewSet(
    mixins.RetrieveModelMixin, mixins.UpdateModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Any]
):
    """The company's settings, the experience among them: one row, or none while nothing was entered."""

    queryset = CompanySettings.objects.order_by("company_name")
    serializer_class = CompanySettingsSerializer


class WebServiceKeyViewSet(mixins.DestroyModelMixin, viewsets.ReadOnlyModelViewSet[WebServiceKey]):
    """Web services access keys: who has one. Posting a user changes his key; deleting takes it away."""

    queryset = WebServiceKey.objects.select_related("user")
    serializer_class = WebServiceKeySerializer
    lookup_field = "user__username"
    lookup_url_kwarg = "username"
    lookup_value_regex = "[^/]+"

    @extend_schema(request=WebServiceKeySerializer, responses={201: NewWebServiceKeySerializer})
    def create(self, request: Request) -> Response:
        """Change the key of `user` and answer the new one, this once; the old key opens nothing any more (S46)."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user, expires_at = asked.validated_data["user"], asked.validated_data.get("expires_at")
        key = WebServiceKey.change(user, by=str(request.user), expires_at=expires_at)
        shown = WebServiceKeySerializer(WebServiceKey.objects.get(user=user)).data
        return Response({**shown, "key": key}, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})
