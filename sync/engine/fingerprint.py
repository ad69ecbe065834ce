"""What a mapping reads, as one value to compare: a link that goes on with a reading names the columns it began with."""

import hashlib
import json

from django.db.models import Q

from coupling.models import TableMapping

DISTRUSTED = "distrusted"
"""Stands in place of a fingerprint where the ERP must be read from its beginning: its stamps went back in time."""
MOVED = "moved"
"""Stands in place of a fingerprint where the CRM must be read from its beginning: its links lead elsewhere."""


def fingerprint(mapping: TableMapping) -> str:
    """Differs where the tables, filters or columns that the mapping reads have changed."""
    fields = mapping.fields.filter(Q(is_enabled=True) | Q(is_match_key=True))
    columns = sorted(fields.values_list("erp_field", "crm_column"))
    filters = [mapping.erp_filter, mapping.crm_filter]
    reads = [mapping.erp_table, mapping.crm_table, filters, columns]
    return hashlib.sha256(json.dumps(reads).encode()).hexdigest()
