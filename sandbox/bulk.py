"""CreateMultiple, UpdateMultiple, UpsertMultiple: one table, all or nothing (dataverse-web-api.md 7)."""

from typing import Any

from sandbox import errors
from sandbox.addresses import RowAddress, parse_row
from sandbox.errors import DataverseError
from sandbox.metadata.catalog import Table
from sandbox.protocol import Answer
from sandbox.resources import with_key, without_key
from sandbox.rows.finding import existing_id, find_id
from sandbox.rows.values import GUID
from sandbox.service import Call

MESSAGES = ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")
Target = dict[str, Any]


def bulk(call: Call, table: Table, message: str) -> Answer:
    """Answer a bulk message. Raises DataverseError: 404 for a table without it, or the error of the first bad row."""
    if call.request.method != "POST":
        raise errors.not_allowed(call.request.method)
    if not table.bulk:
        raise errors.segment_not_found(f"Microsoft.Dynamics.CRM.{message}")
    targets = _targets(call, table)
    answer = {"CreateMultiple": _create, "UpdateMultiple": _update, "UpsertMultiple": _upsert}[message](
        call, table, targets
    )
    answer.rows = len(targets)
    return answer


def _targets(call: Call, table: Table) -> list[Target]:
    """Return the rows of the body; each must name its type (7)."""
    targets = call.request.json().get("Targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(target, dict) for target in targets):
        raise errors.bad_payload(table.entity_set, "The parameter 'Targets' must be a list of rows.")
    for target in targets:
        kind = target.get("@odata.type")
        if not isinstance(kind, str) or kind.lstrip("#") != f"Microsoft.Dynamics.CRM.{table.name}":
            message = f"Every target must have '@odata.type': 'Microsoft.Dynamics.CRM.{table.name}'."
            raise errors.bad_payload(table.entity_set, message)
    return targets


def _create(call: Call, table: Table, targets: list[Target]) -> Answer:
    with call.store.writing() as connection:
        identities = call.writer(connection).create(table, targets)
        call.count("created", len(identities))
    context = call.context("Microsoft.Dynamics.CRM.CreateMultipleResponse")
    return Answer.of({"@odata.context": context, "Ids": identities})


def _address(call: Call, table: Table, target: Target) -> RowAddress:
    """Return the row that a target names by `@odata.id` or by its primary key."""
    address = target.get("@odata.id")
    if isinstance(address, str):
        named = parse_row(call.catalog, address)
        if named.table is not table:
            raise errors.bad_payload(table.entity_set, f"The address '{address}' belongs to another table.")
        return named
    identity = target.get(table.id)
    if isinstance(identity, str) and GUID.fullmatch(identity):
        return RowAddress(table, identity.lower())
    return _by_alternate_key(table, target)


def _by_alternate_key(table: Table, target: Target) -> RowAddress:
    """Return the row that a target names by the columns of an alternate key in its body."""
    for key in table.keys.values():
        if all(name in target for name in key.columns):
            return RowAddress(table, None, tuple((name, str(target[name])) for name in key.columns))
    raise DataverseError(400, errors.INVALID_ARGUMENT, f"Every target must name its row by '{table.id}' or a key.")


def _update(call: Call, table: Table, targets: list[Target]) -> Answer:
    with call.store.writing() as connection:
        changes: dict[str, Target] = {}
        for target in targets:
            address = _address(call, table, target)
            # A second target for the same row is silently left out (7).
            changes.setdefault(find_id(connection, address), without_key(address, target))
        call.writer(connection).update(table, list(changes.items()))
        call.count("updated", len(changes))
    return Answer.none()


def _upsert(call: Call, table: Table, targets: list[Target]) -> Answer:
    addresses = [_address(call, table, target) for target in targets]
    if len({(address.identity, address.key) for address in addresses}) < len(addresses):
        raise errors.duplicate_record()
    with call.store.writing() as connection:
        changes: list[tuple[str, Target]] = []
        news: list[Target] = []
        for address, target in zip(addresses, targets, strict=True):
            identity = existing_id(connection, address)
            if identity is None:
                news.append(with_key(call, connection, address, target))
            else:
                changes.append((identity, without_key(address, target)))
        writer = call.writer(connection)
        if news:
            writer.create(table, news)
        if changes:
            writer.update(table, changes)
        call.count("created", len(news))
        call.count("updated", len(changes))
    return Answer.none()
