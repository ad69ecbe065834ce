"""The order of mappings: parents first (I7, S62 to S66), read from the lookups of the field mappings."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from coupling.models import FieldMapping, TableMapping

Graph = dict[str, set[str]]


def in_order(mappings: Iterable[TableMapping]) -> list[TableMapping]:
    """The mappings with every one after those it refers to; a cycle is cut at an optional lookup (I7).

    Raises:
        ValueError: the mappings need each other through lookups that cannot stay blank.
    """
    by_name = {mapping.name: mapping for mapping in sorted(mappings, key=lambda mapping: mapping.name)}
    needed, optional = _graphs(by_name)
    return [by_name[name] for name in _sorted(needed, optional)]


def parents(mappings: Iterable[TableMapping]) -> dict[str, list[str]]:
    """For each mapping the names of those that it refers to and that run before it, in that order (S61).

    Raises:
        ValueError: the mappings need each other through lookups that cannot stay blank.
    """
    order = in_order(mappings)
    needed, optional = _graphs({mapping.name: mapping for mapping in order})
    names = [mapping.name for mapping in order]
    return {
        name: [other for other in names[:place] if other in needed[name] | optional[name]]
        for place, name in enumerate(names)
    }


def prerequisites(mapping: TableMapping) -> set[str]:
    """The names of the mappings that must be coupled before this one's records can be."""
    return all_prerequisites(TableMapping.objects.all())[mapping.name]


def all_prerequisites(mappings: Iterable[TableMapping]) -> Graph:
    """For each of the mappings, which of them must be coupled before its records can be."""
    needed, _ = _graphs({each.name: each for each in mappings})
    return needed


def _graphs(by_name: dict[str, TableMapping]) -> tuple[Graph, Graph]:
    """For each mapping those that it needs, and those that it only refers to and can do without for a while."""
    needed: Graph = {name: set() for name in by_name}
    optional: Graph = {name: set() for name in by_name}
    declared = TableMapping.depends_on.through.objects.values_list("from_tablemapping__name", "to_tablemapping__name")
    lookups = FieldMapping.objects.filter(is_enabled=True, lookup__isnull=False)
    for name, other in declared:
        _add(needed, name, other)
    for name, other, can_wait in lookups.values_list("mapping__name", "lookup__name", "clear_on_failed"):
        _add(optional if can_wait else needed, name, other)
    return needed, optional


def _add(graph: Graph, name: str, other: str) -> None:
    if name in graph and other in graph and name != other:
        graph[name].add(other)


def _sorted(needed: Graph, optional: Graph) -> list[str]:
    while True:
        try:
            return list(TopologicalSorter({name: needed[name] | optional[name] for name in needed}).static_order())
        except CycleError as error:
            circle = error.args[1]
            if not _cut(optional, circle):
                raise ValueError(f"These mappings need each other: {' → '.join(circle)}.") from error


def _cut(optional: Graph, circle: list[str]) -> bool:
    """Leave out the optional references within a circle. Returns whether there was one."""
    cuts = [(name, optional[name] & set(circle)) for name in circle]
    for name, others in cuts:
        optional[name] -= others
    return any(others for _, others in cuts)
