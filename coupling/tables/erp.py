"""The ERP side of a mapping: any Django model with an immutable id, a business key and a modified-at stamp."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError, OperationalError, models, transaction
from django.db.models import Expression, Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import get_text_list

from connection.errors import CRMBridgeError, FixRecord
from coupling.errors import RecordBusy, RecordChanged
from coupling.filters import Filter
from coupling.models import TableMapping
from coupling.tables.folding import Folded
from coupling.tables.position import Position
from coupling.tables.table import Column, Page, Record, Write, Written
from coupling.values import Value, canonical

# A transaction that began earlier may commit a smaller stamp after ours was read: the window reads it again.
OVERLAP = timedelta(seconds=30)


class ERPTable:
    """The records of one Django model, reading and writing the named fields.

    Writes go through the model's own `full_clean` and `save`, so that the business rules of the table hold.
    """

    is_transactional = True

    def __init__(self, mapping: TableMapping, fields: Sequence[str]) -> None:
        self.model: type[models.Model] = apps.get_model(mapping.erp_table)
        self.key = mapping.erp_key
        self.id_field = mapping.erp_id_field
        self.modified_field = mapping.erp_modified_field
        self.filter = Filter.parse(mapping.erp_filter)
        self.template: Mapping[str, Any] = mapping.erp_template
        self.columns: Mapping[str, Column] = {name: self._column(name) for name in fields}

    def changes(self, cursor: str, page_size: int) -> Iterator[Page]:
        """Records modified since the cursor, less an overlap, by keyset pages; the ERP tells of no deletions here."""
        known, now = Position.parse(cursor), timezone.now()
        after = known.start(OVERLAP) if known else None
        while True:
            records = self._records(self._after(after), page_size)
            if records:
                last = datetime.fromisoformat(records[-1].version), records[-1].id
                after = known.reached(*last, now, OVERLAP) if known else Position(*last, now)
                place = str(Position(*last)) if len(records) == page_size else ""
                yield Page(records, cursor=str(after.not_ahead(timezone.now())), position=place)
            if len(records) < page_size:
                return

    def cursor(self) -> str:
        """The cursor of somebody who has read all there is now, whatever becomes of it meanwhile; blank for nothing."""
        now = timezone.now()
        newest = self._rows.order_by(f"-{self.modified_field}", f"-{self.id_field}")
        last = newest.values_list(self.modified_field, self.id_field).first()
        return str(Position(last[0], last[1], now).not_ahead(now)) if last else ""

    def boundaries(self, size: int) -> list[UUID]:
        """The ids that end every `size` records in the order of their ids, but for the last ones."""
        found: list[UUID] = []
        rest = self._above(None)
        while len(two := list(rest.values_list(self.id_field, flat=True)[size - 1 : size + 1])) == 2:
            found.append(two[0])
            rest = self._above(two[0])
        return found

    def between(self, after: UUID | None, until: UUID | None, page_size: int) -> Iterator[Page]:
        """The records whose ids are above `after` and not above `until`, in their order; None stands for no limit."""
        upper = Q(**{f"{self.id_field}__lte": until}) if until else Q()
        while True:
            records = self._read(self._above(after).filter(upper), page_size)
            if records:
                after = records[-1].id
                yield Page(records, position=str(after) if len(records) == page_size else "")
            if len(records) < page_size:
                return

    def fetch(self, ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The records with these ids."""
        return {record.id: record for record in self._records(Q(**{f"{self.id_field}__in": ids}))}

    def find(self, column: str, values: Sequence[Value]) -> list[Record]:
        """The records whose field equals one of `values`, whatever the case of letters."""
        if self.columns[column].kind not in ("text", "code"):
            return self._records(Q(**{f"{column}__in": values}))
        rows = self._rows.annotate(found_by=Folded(column))
        return self._read(rows.filter(found_by__in=[str(value).lower() for value in values]))

    def create(self, rows: Sequence[Write]) -> list[Written]:
        """Insert records by the model's rules; one that breaks them is refused alone (I6)."""
        new = [self.model(**{self.id_field: row.id} | dict(self.template)) for row in rows]
        return self._written(rows, [self._save(instance, row) for instance, row in zip(new, rows, strict=True)])

    def update(self, writes: Sequence[Write]) -> list[Written]:
        """Write fields into records that still stand at the version judged (I2); must run in a transaction."""
        found = {
            getattr(instance, self.id_field): instance
            for instance in self._rows.select_for_update().filter(**{f"{self.id_field}__in": [w.id for w in writes]})
        }
        return self._written(writes, [self._update(found.get(write.id), write) for write in writes])

    def count(self) -> int:
        """How many records there are."""
        return self._rows.count()

    def accepts(self, record: Record) -> bool:
        """Whether the record is inside the mapping's table filter."""
        return self.filter.accepts(record.values)

    @property
    def _rows(self) -> models.QuerySet[Any]:
        return self.model._default_manager.all()

    @cached_property
    def _computed(self) -> Mapping[str, Expression]:
        """Columns that the model works out on reading (mappings.md 6.1, ≡), as its `computed()` names them."""
        computed: Mapping[str, Expression] = getattr(self.model, "computed", dict)()
        return {name: computed[name] for name in self._names if name in computed}

    def _field(self, name: str) -> "models.Field[Any, Any]":
        field = self.model._meta.get_field(name)
        assert isinstance(field, models.Field)
        return field

    def _column(self, name: str) -> Column:
        computed: Mapping[str, Expression] = getattr(self.model, "computed", dict)()
        field = computed[name].output_field if name in computed else self._field(name)
        kind, decimals = "text", None
        if isinstance(field, models.DecimalField):
            kind, decimals = "decimal", field.decimal_places
        elif isinstance(field, models.BooleanField):
            kind = "boolean"
        elif isinstance(field, models.IntegerField):
            kind = "integer"
        elif isinstance(field, models.DateTimeField):
            kind = "datetime"
        elif isinstance(field, models.DateField):
            kind = "date"
        elif isinstance(field, models.UUIDField):
            kind = "id"
        elif field.get_prep_value(" a ") == "A":
            kind = "code"
        return Column(name, kind, field.max_length, decimals)

    @cached_property
    def _names(self) -> list[str]:
        needed = [self.id_field, self.modified_field, self.key]
        return list(dict.fromkeys([*needed, *self.columns, *self.filter.columns]))

    def _after(self, position: Position | None) -> Q:
        if position is None:
            return Q()
        return Q(**{f"{self.modified_field}__gt": position.modified}) | Q(
            **{self.modified_field: position.modified, f"{self.id_field}__gt": position.id}
        )

    def _above(self, id_: UUID | None) -> models.QuerySet[Any]:
        rows = self._rows.order_by(self.id_field)
        return rows.filter(**{f"{self.id_field}__gt": id_}) if id_ else rows

    def _records(self, condition: Q, limit: int | None = None) -> list[Record]:
        rows = self._rows.filter(condition).order_by(self.modified_field, self.id_field)
        return self._read(rows, limit)

    def _read(self, rows: models.QuerySet[Any], limit: int | None = None) -> list[Record]:
        rows = rows.annotate(**self._computed)[:limit]
        return [self._record(dict(zip(self._names, row, strict=True))) for row in rows.values_list(*self._names)]

    def _record(self, row: Mapping[str, Any]) -> Record:
        values = {name: canonical(row[name]) for name in self._names[2:]}
        values |= {name: self.columns[name].as_stored(values[name]) for name in self._computed}
        return Record(row[self.id_field], row[self.modified_field].isoformat(), values, str(row[self.key]))

    def _update(self, instance: models.Model | None, write: Write) -> CRMBridgeError | None:
        if instance is None or getattr(instance, self.modified_field).isoformat() != write.version:
            return RecordChanged(technical=f"{self.model._meta.label} {write.id} is not at {write.version}")
        return self._save(instance, write)

    def _save(self, instance: models.Model, write: Write) -> CRMBridgeError | None:
        try:
            for name, value in write.values.items():
                setattr(instance, name, self._python(name, value))
            with transaction.atomic():
                instance.full_clean(validate_unique=instance._state.adding)
                instance.save()
        except ValidationError as error:
            return _refused(error)
        except OperationalError as error:
            return RecordBusy(technical=f"{type(error).__name__}: {error}")
        except DatabaseError as error:
            return FixRecord(technical=f"{type(error).__name__}: {error}")
        return None

    def _written(self, writes: Sequence[Write], errors: Sequence[CRMBridgeError | None]) -> list[Written]:
        """The outcomes, with the records as the business rules left them."""
        saved = self.fetch([write.id for write, error in zip(writes, errors, strict=True) if error is None])
        return [Written(error, saved.get(write.id)) for write, error in zip(writes, errors, strict=True)]

    def _python(self, name: str, value: Value) -> Any:
        field = self._field(name)
        if value is None and not field.null:
            return field.get_default()
        return field.to_python(value)


def _refused(error: ValidationError) -> CRMBridgeError:
    if not hasattr(error, "error_dict"):
        return FixRecord(" ".join(error.messages), technical=str(error))
    parts = [
        " ".join(messages) if name == NON_FIELD_ERRORS else f"{name}: {' '.join(messages)}"
        for name, messages in error.message_dict.items()
    ]
    return FixRecord(get_text_list(parts, "·"), technical=str(error))
