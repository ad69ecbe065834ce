"""Functions and actions of single rows: `systemusers(<id>)/Microsoft.Dynamics.CRM.<name>` (dataverse-web-api.md 11)."""

from collections.abc import Callable

from sandbox import duplicating, errors, selling
from sandbox.access import DEPTHS, Access, all_privileges, privilege_id
from sandbox.addresses import RowAddress
from sandbox.protocol import Answer
from sandbox.rows.finding import require_id
from sandbox.service import Call


def bound_message(call: Call, address: RowAddress, name: str) -> Answer:
    """Answer a function or action of a row. Raises DataverseError (404) for one that the table does not have."""
    found = BOUND.get((address.table.name, name))
    if found is None:
        raise errors.segment_not_found(f"Microsoft.Dynamics.CRM.{name}")
    method, handler = found
    if call.request.method != method:
        raise errors.not_allowed(call.request.method)
    with call.store.reading() as connection:
        identity = require_id(connection, address)
    return handler(call, identity)


def user_privileges(call: Call, user: str) -> Answer:
    """Return every privilege that a user has by roles, with its depth."""
    call.access.require("Read", call.catalog.table("systemuser"))
    with call.store.reading() as connection:
        access = Access.of(connection, user)
        unit = connection.execute("SELECT businessunitid FROM systemuser WHERE systemuserid = ?", [user]).fetchone()
    granted = access.granted
    if access.administrator:
        granted = {name: DEPTHS["Global"] for name, _ in all_privileges(call.catalog)}
    return _privileges(call, "RetrieveUserPrivilegesResponse", granted, unit[0])


def _privileges(call: Call, response: str, granted: dict[str, int], unit: str) -> Answer:
    names = {depth: name for name, depth in DEPTHS.items()}
    listed = [
        {"Depth": names[depth], "PrivilegeId": privilege_id(name), "BusinessUnitId": unit, "PrivilegeName": name}
        for name, depth in sorted(granted.items())
    ]
    return Answer.of({"@odata.context": call.context(f"Microsoft.Dynamics.CRM.{response}"), "RolePrivileges": listed})


def add_privileges(call: Call, role: str) -> Answer:
    """Grant privileges to a role. Raises DataverseError (400) for what is no list of privileges."""
    call.access.require("Write", call.catalog.table("role"))
    wanted = call.request.json().get("Privileges")
    if not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
        raise errors.bad_request("AddPrivilegesRole needs a list of Privileges.", errors.INVALID_ARGUMENT)
    rows = [(role, str(item.get("PrivilegeId", "")).lower(), DEPTHS.get(str(item.get("Depth")), 0)) for item in wanted]
    if not all(depth for _, _, depth in rows):
        raise errors.bad_request(f"A Depth must be one of {', '.join(DEPTHS)}.", errors.INVALID_ARGUMENT)
    with call.store.writing() as connection:
        known = {row[0] for row in connection.execute("SELECT privilegeid FROM privilege")}
        for _, privilege, _ in rows:
            if privilege not in known:
                raise errors.does_not_exist("privilege", privilege)
        connection.executemany('INSERT OR REPLACE INTO "$granted" VALUES (?, ?, ?)', rows)
        links = [("roleprivileges_association", role, privilege) for _, privilege, _ in rows]
        connection.executemany('INSERT OR IGNORE INTO "$link" VALUES (?, ?, ?)', links)
    return Answer.none()


Handler = Callable[[Call, str], Answer]
BOUND: dict[tuple[str, str], tuple[str, Handler]] = {
    **selling.OF_ROWS,
    ("systemuser", "RetrieveUserPrivileges"): ("GET", user_privileges),
    ("role", "AddPrivilegesRole"): ("POST", add_privileges),
    ("duplicaterule", "PublishDuplicateRule"): ("POST", duplicating.publish_rule),
}
