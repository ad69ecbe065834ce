"""Template filter for addresses of mapped tables."""

from django import template

from coupling.listing import slug_of
from coupling.models import TableMapping

register = template.Library()


@register.filter
def slug(mapping: TableMapping) -> str:
    """The mapping's name as it stands in addresses."""
    return slug_of(mapping)
