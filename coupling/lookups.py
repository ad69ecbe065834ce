"""References between records, translated through couplings: an ERP key ↔ a CRM id (mappings.md G-1)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.apps import apps
from django.db.models import QuerySet

from coupling.models import Coupling, CouplingState, TableMapping


@dataclass(slots=True)
class Lookups:
    """What a page's references resolve to. Keys and ids are as the canonical values hold them (text)."""

    crm_ids: dict[tuple[int, str], str] = field(default_factory=dict)
    erp_keys: dict[tuple[int, str], str] = field(default_factory=dict)

    @classmethod
    def resolve(cls, erp_keys: Iterable[tuple[int, str]], crm_ids: Iterable[tuple[int, str]]) -> "Lookups":
        """Resolve references, each (pk of the lookup mapping, key or id), with two queries a mapping and way."""
        found = cls()
        keys, ids = _grouped(erp_keys), _grouped(crm_ids)
        for mapping in TableMapping.objects.filter(pk__in=keys.keys() | ids.keys()):
            found._add_crm_ids(mapping, keys.get(mapping.pk, set()))
            found._add_erp_keys(mapping, ids.get(mapping.pk, set()))
        return found

    def _add_crm_ids(self, mapping: TableMapping, keys: set[str]) -> None:
        if not keys:
            return
        key_of = _keys_by_id(mapping, {f"{mapping.erp_key}__in": keys})
        for erp_id, crm_id in _coupled(mapping).filter(erp_id__in=key_of).values_list("erp_id", "crm_id"):
            self.crm_ids[mapping.pk, key_of[erp_id]] = str(crm_id)

    def _add_erp_keys(self, mapping: TableMapping, ids: set[str]) -> None:
        if not ids:
            return
        couplings = dict(_coupled(mapping).filter(crm_id__in=ids).values_list("erp_id", "crm_id"))
        for erp_id, key in _keys_by_id(mapping, {f"{mapping.erp_id_field}__in": couplings}).items():
            self.erp_keys[mapping.pk, str(couplings[erp_id])] = key


def _grouped(references: Iterable[tuple[int, str]]) -> Mapping[int, set[str]]:
    groups: dict[int, set[str]] = defaultdict(set)
    for mapping, reference in references:
        groups[mapping].add(reference)
    return groups


def _coupled(mapping: TableMapping) -> QuerySet[Coupling]:
    return Coupling.objects.filter(mapping=mapping, state=CouplingState.COUPLED)


def _keys_by_id(mapping: TableMapping, condition: Mapping[str, object]) -> dict[UUID, str]:
    model = apps.get_model(mapping.erp_table)
    return dict(model._default_manager.filter(**condition).values_list(mapping.erp_id_field, mapping.erp_key))
