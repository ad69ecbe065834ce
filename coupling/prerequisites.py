"""The order of mappings: parents first (I7, S62 to S66), read from the lookups of the field mappings."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from coupling.models import TableMapping


def prerequisites(mapping: TableMapping) -> set[str]:
    """The names of the mappings that this one needs: its lookups that cannot stay blank, and those declared."""
    lookups = mapping.fields.filter(is_enabled=True, lookup__isnull=False, clear_on_failed=False)
    needed = set(lookups.values_list("lookup__name", flat=True))
    needed.update(mapping.depends_on.values_list("name", flat=True))
    return needed - {mapping.name}


def in_order(mappings: Iterable[TableMapping]) -> list[TableMapping]:
    """The mappings with every prerequisite before those that need it; a cycle is cut at the optional lookups (I7).

    Raises:
        ValueError: the mappings need each other through lookups that cannot stay blank.
    """
    by_name = {mapping.name: mapping for mapping in sorted(mappings, key=lambda mapping: mapping.name)}
    graph = {name: prerequisites(mapping) for name, mapping in by_name.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ValueError(f"These mappings need each other: {' → '.join(error.args[1])}.") from error
    return [by_name[name] for name in order if name in by_name]
