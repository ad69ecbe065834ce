"""Template filters for addresses, captions and names of mapped tables."""

from collections.abc import Mapping
from uuid import UUID

from django import template

from coupling.listing import caption_of, slug_of
from coupling.models import TableMapping

register = template.Library()


@register.filter
def slug(mapping: TableMapping) -> str:
    """The mapping's name as it stands in addresses."""
    return slug_of(mapping)


@register.filter
def caption(mapping: TableMapping, name: str) -> str:
    """What people call the mapping's ERP field NAME."""
    return caption_of(mapping, name)


@register.filter
def name_of(names: Mapping[UUID, str], erp_id: UUID) -> str:
    """The name of the record with this id, else the id."""
    return names.get(erp_id, str(erp_id))
