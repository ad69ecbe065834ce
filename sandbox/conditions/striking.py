"""Faults of single operations: a refusal, or someone else's edit between a client's read and its write."""

from sandbox.addresses import parse_row
from sandbox.conditions.faults import Fault
from sandbox.rows.finding import existing_id
from sandbox.rows.writing import Writer
from sandbox.seed.planting import ADMINISTRATOR
from sandbox.service import Call


def strike(call: Call) -> None:
    """Let a fault that is meant for this operation happen. Raises DataverseError where it is a refusal."""
    request = call.request
    fault = call.service.faults.of_operation(request.method, request.path, request.query, request.body)
    if fault is None:
        return
    if fault.kind != "concurrent-edit":
        raise fault.error()
    _edit(call, fault)


def _edit(call: Call, fault: Fault) -> None:
    """Write the fault's values into the addressed row as the administrator, in a transaction of its own."""
    address = parse_row(call.catalog, call.request.segments[0])
    with call.store.writing() as connection:
        identity = existing_id(connection, address)
        if identity is not None:
            Writer(connection, call.catalog, ADMINISTRATOR).update(address.table, [(identity, fault.values)])
