"""Addresses of rows: `accounts(<guid>)`, `accounts(accountnumber='A-1')`, relative or absolute (4.1, 4.6)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from sandbox import errors
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Catalog, Table
from sandbox.rows.values import GUID, parse_guid

_ROOT = re.compile(r"^(?:https?://[^/]+)?/?(?:api/data/v\d+\.\d+/)?", re.IGNORECASE)
_ROW = re.compile(r"([A-Za-z_]\w*)\((.*)\)", re.DOTALL)
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^']|'')*'|[^,']+?)\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class RowAddress:
    """A row by primary key (`identity`) or by alternate key (`key`: column names and literals without quotes)."""

    table: Table
    identity: str | None
    key: tuple[tuple[str, str], ...] = ()


def without_root(address: str) -> str:
    """Return the part of an absolute or relative address after the service root."""
    return address[_ROOT.match(address).end() :]  # type: ignore[union-attr]  # the pattern matches any text


def _literal(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def split_key(predicate: str) -> list[tuple[str, str]]:
    """Return the names and literals of `a='x',b=1`, or [] when the predicate is not a list of pairs."""
    pairs: list[tuple[str, str]] = []
    position = 0
    while position < len(predicate):
        match = _PAIR.match(predicate, position)
        if not match:
            return []
        pairs.append((match[1], _literal(match[2])))
        position = match.end()
    return pairs


def _invalid_key(table: Table) -> DataverseError:
    message = (
        f"The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{table.name}'. Ensure that the "
        "names and number of key properties match the declared or alternate key properties for the resource."
    )
    return DataverseError(400, errors.KEY_NOT_DEFINED, message)


def _guid_or_error(text: str, table: Table) -> str:
    if not GUID.fullmatch(text):
        raise _invalid_key(table)
    return parse_guid(text)


def row_address(table: Table, predicate: str) -> RowAddress:
    """Return the row that a decoded key predicate names. Raises DataverseError for columns that are no key."""
    if GUID.fullmatch(predicate):
        return RowAddress(table, predicate.lower())
    pairs = split_key(predicate)
    names = [name for name, _ in pairs]
    if len(pairs) == 1 and names[0] in (table.id, table.key_property):
        return RowAddress(table, _guid_or_error(pairs[0][1], table))
    columns = frozenset(_column_name(table, name) for name in names)
    if not pairs or not table.key_for(columns):
        raise _invalid_key(table)
    return RowAddress(table, None, tuple((_column_name(table, name), value) for name, value in pairs))


def _column_name(table: Table, name: str) -> str:
    column = table.by_wire.get(name)
    return column.name if column else name


def parse_row(catalog: Catalog, address: str) -> RowAddress:
    """Return the row that an address in a body names, as in `@odata.bind`. Raises DataverseError when it names none."""
    match = _ROW.fullmatch(without_root(address))
    table = catalog.by_set(match[1]) if match else None
    if match is None or table is None:
        raise errors.bad_request(f"The value '{address}' is not the address of a row.", errors.PAYLOAD_LAYER)
    predicate = match[2]
    return row_address(table, predicate if GUID.fullmatch(predicate) else unquote(predicate))
