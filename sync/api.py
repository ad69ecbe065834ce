"""The API of what runs left behind: synch jobs, errors, waiting records, conflicts and changes, to read."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, viewsets

from coupling.models import TableMapping
from sync.models import COUNTERS, Change, Conflict, KeyRange, SynchError, SynchJob, Waiting


class KeyRangeSerializer(serializers.ModelSerializer[KeyRange]):
    """One part of a big table that several workers read; `worker` is blank where nobody has it in hand."""

    class Meta:
        model = KeyRange
        fields = ("number", "is_done", "read", "worker")


class SynchJobSerializer(serializers.ModelSerializer[SynchJob]):
    """One run of one mapping in one direction, with its counters, and its key ranges as long as workers share it."""

    mapping = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)
    key_ranges = KeyRangeSerializer(source="ranges", many=True, read_only=True)
    message = serializers.CharField(source="message_text", read_only=True)

    class Meta:
        model = SynchJob
        fields = (
            "id",
            "mapping",
            "direction",
            "is_full",
            "state",
            "started_at",
            "finished_at",
            "message",
            "read",
            *COUNTERS,
            "key_ranges",
        )


class SynchJobViewSet(viewsets.ReadOnlyModelViewSet[SynchJob]):
    """The runs, newest first."""

    queryset = SynchJob.objects.select_related("mapping").prefetch_related("ranges")
    serializer_class = SynchJobSerializer
    filterset_fields = {
        "mapping__name": ["exact"],
        "direction": ["exact"],
        "state": ["exact"],
        "is_full": ["exact"],
        "started_at": ["gte", "lt"],
    }


class SynchErrorSerializer(serializers.ModelSerializer[SynchError]):
    """One record's failure; `text` and `fix` are in the language asked for with Accept-Language."""

    mapping = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)
    text = serializers.CharField(source="message_text", read_only=True)
    fix = serializers.CharField(source="fix_text", read_only=True)

    class Meta:
        model = SynchError
        fields = (
            "id",
            "mapping",
            "side",
            "record_id",
            "record_name",
            "kind",
            "code",
            "text",
            "fix",
            "attempts",
            "first_at",
            "last_at",
            "resolved_at",
            "job",
        )


class SynchErrorViewSet(viewsets.ReadOnlyModelViewSet[SynchError]):
    """Records that failed, newest first; `resolved_at__isnull=true` gives those still open."""

    queryset = SynchError.objects.select_related("mapping")
    serializer_class = SynchErrorSerializer
    filterset_fields = {
        "mapping__name": ["exact"],
        "side": ["exact"],
        "record_id": ["exact"],
        "kind": ["exact"],
        "job": ["exact"],
        "resolved_at": ["isnull"],
    }


@extend_schema_field({"description": "Any JSON value"})
class AnyValue(serializers.JSONField):
    """A value of a mapped field, as its side stores it."""


class ConflictSerializer(serializers.ModelSerializer[Conflict]):
    """One field that changed on both sides: what both agreed on last, and what each side says now."""

    mapping = serializers.CharField(source="coupling.mapping.name", read_only=True)
    erp_field = serializers.CharField(source="field.erp_field", read_only=True)
    crm_column = serializers.CharField(source="field.crm_column", read_only=True)
    base = AnyValue(read_only=True)
    erp_value = AnyValue(read_only=True)
    crm_value = AnyValue(read_only=True)

    class Meta:
        model = Conflict
        fields = (
            "id",
            "mapping",
            "coupling",
            "record_name",
            "erp_field",
            "crm_column",
            "base",
            "erp_value",
            "crm_value",
            "found_at",
            "resolved_at",
            "job",
        )


class ConflictViewSet(viewsets.ReadOnlyModelViewSet[Conflict]):
    """Fields that wait for a person; `resolved_at__isnull=true` gives those still open."""

    queryset = Conflict.objects.select_related("coupling__mapping", "field")
    serializer_class = ConflictSerializer
    filterset_fields = {"coupling": ["exact"], "coupling__mapping__name": ["exact"], "resolved_at": ["isnull"]}


class WaitingSerializer(serializers.ModelSerializer[Waiting]):
    """A record, or one optional reference of it, that waits for another record to be coupled."""

    mapping = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)
    waits_for = serializers.SlugRelatedField[TableMapping](slug_field="name", read_only=True)

    class Meta:
        model = Waiting
        fields = (
            "id",
            "mapping",
            "side",
            "record_id",
            "record_name",
            "waits_for",
            "waits_for_key",
            "is_optional",
            "since",
        )


class WaitingViewSet(viewsets.ReadOnlyModelViewSet[Waiting]):
    """Records that wait, the longest first; each goes on by itself once the other one is coupled."""

    queryset = Waiting.objects.select_related("mapping", "waits_for")
    serializer_class = WaitingSerializer
    filterset_fields = {"mapping__name": ["exact"], "waits_for__name": ["exact"], "record_id": ["exact"]}


class ChangeSerializer(serializers.ModelSerializer[Change]):
    """What one write did to one record: `fields` maps each column to what stood there before, and what does now."""

    mapping = serializers.CharField(source="mapping.name", default=None, read_only=True)
    erp_id = serializers.UUIDField(allow_null=True, read_only=True)
    fields = AnyValue(read_only=True)  # type: ignore[assignment]

    class Meta:
        model = Change
        fields = ("id", "at", "mapping", "erp_id", "coupling", "job", "side", "is_insert", "fields")


class ChangeViewSet(viewsets.ReadOnlyModelViewSet[Change]):
    """History, newest first."""

    queryset = Change.objects.select_related("coupling__mapping", "former_mapping")
    serializer_class = ChangeSerializer
    filterset_fields = {
        "coupling": ["exact"],
        "coupling__mapping__name": ["exact"],
        "coupling__erp_id": ["exact"],
        "job": ["exact"],
        "side": ["exact"],
        "at": ["gte", "lt"],
    }
