"""ImportSolution, ImportSolutionAsync, StageSolution and StageAndUpgrade (dataverse-web-api.md 12)."""

import base64
import binascii
import logging
import sqlite3
import threading
import uuid
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from sandbox import errors
from sandbox.access import DEPTHS, all_privileges
from sandbox.customizing import define
from sandbox.errors import DataverseError
from sandbox.protocol import Answer
from sandbox.rows.values import GUID
from sandbox.rows.writing import Writer
from sandbox.seed.privileges import grant
from sandbox.service import Call
from sandbox.solutions.layers import (
    begin_alone,
    components_of,
    end_alone,
    holding_name,
    promote,
    record,
    with_older_columns,
)
from sandbox.solutions.package import Package, PackageError, Role, definitions_of, read_package

logger = logging.getLogger(__name__)
_SUCCEEDED, _FAILED = 30, 31
Json = dict[str, Any]


@dataclass(frozen=True)
class _Import:
    """One import: its job and asynchronous operation, and whether it waits beside or replaces what is installed."""

    job: str
    operation: str | None = None
    held: bool = False
    upgraded: str = ""


def import_solution(call: Call) -> Answer:
    """Import a solution and answer when it is done. Raises DataverseError: 0x80071151 while another is imported."""
    body = _body(call)
    _import_now(call, body, held=body.get("HoldingSolution") is True)
    return Answer.none()


def stage_and_upgrade(call: Call) -> Answer:
    """Import a solution in the place of the one before: what the new one no longer brings goes."""
    body = _body(call)
    package = _read(_content(call, body))
    _import_now(call, body, held=True, upgraded=package.name)
    sql = "SELECT solutionid FROM solution WHERE uniquename = ?"
    with call.store.reading() as connection:
        identity = connection.execute(sql, [package.name]).fetchone()[0]
    context = call.context("Microsoft.Dynamics.CRM.StageAndUpgradeResponse")
    return Answer.of({"@odata.context": context, "SolutionId": identity})


def _import_now(call: Call, body: Json, *, held: bool, upgraded: str = "") -> None:
    content, job = _content(call, body), _job(body)
    _begin(call, job)
    try:
        _run(call, content, _Import(job, held=held, upgraded=upgraded))
    finally:
        end_alone()


def import_solution_async(call: Call) -> Answer:
    """Begin to import a solution, and answer with what to ask for its progress."""
    body = _body(call)
    content, job, operation = _content(call, body), _job(body), str(uuid.uuid4())
    _begin(call, job)
    with call.store.writing() as connection:
        row = {"asyncoperationid": operation, "name": "Import Solution", "operationtype": 203, "statuscode": 0}
        _writer(call, connection).create(call.catalog.table("asyncoperation"), [row])
    wanted = _Import(job, operation, held=body.get("HoldingSolution") is True)
    threading.Thread(target=_run_later, args=(call, content, wanted), daemon=True).start()
    context = call.context("Microsoft.Dynamics.CRM.ImportSolutionAsyncResponse")
    return Answer.of({"@odata.context": context, "ImportJobKey": job, "AsyncOperationId": operation})


def stage_solution(call: Call) -> Answer:
    """Take a solution in, say what it holds, and keep it for ImportSolutionAsync."""
    body = _body(call)
    content = _content(call, body)
    package = _read(content)
    upload = str(uuid.uuid4())
    call.service.uploads[upload] = content
    details: Json = {"SolutionUniqueName": package.name, "SolutionFriendlyName": package.label}
    details |= {"SolutionVersion": package.version, "IsManaged": package.managed}
    results = {
        "StageSolutionUploadId": upload,
        "StageSolutionStatus": "Passed",
        "SolutionDetails": details,
        "SolutionValidationResults": [],
    }
    context = call.context("Microsoft.Dynamics.CRM.StageSolutionResponse")
    return Answer.of({"@odata.context": context, "StageSolutionResults": results})


def _body(call: Call) -> Json:
    call.access.require_named("prvImportCustomization")
    return call.request.json()


def _content(call: Call, body: Json) -> bytes:
    """Return the zip in the body, or the one that was staged before."""
    parameters = body.get("SolutionParameters")
    upload = parameters.get("StageSolutionUploadId") if isinstance(parameters, dict) else None
    if isinstance(upload, str) and upload in call.service.uploads:
        return call.service.uploads[upload]
    try:
        return base64.b64decode(str(body.get("CustomizationFile") or ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("The CustomizationFile is not base64.") from error


def _job(body: Json) -> str:
    job = str(body.get("ImportJobId") or uuid.uuid4())
    if not GUID.fullmatch(job):
        raise _invalid("The ImportJobId is not a GUID.")
    return job.lower()


def _invalid(message: str) -> DataverseError:
    return DataverseError(400, errors.INVALID_ARGUMENT, message)


def _read(content: bytes) -> Package:
    try:
        return read_package(content)
    except PackageError as error:
        raise _invalid(str(error)) from error


def _writer(call: Call, connection: sqlite3.Connection) -> Writer:
    return Writer(connection, call.service.catalog, call.user)


def _begin(call: Call, job: str) -> None:
    """Make the import job. Raises DataverseError when another import runs, or when the job exists."""
    begin_alone()
    try:
        with call.store.writing() as connection:
            writer = _writer(call, connection)
            row = {"importjobid": job, "name": "Customizations", "progress": 0, "startedon": writer.now}
            writer.create(call.catalog.table("importjob"), [row])
    except BaseException:
        end_alone()
        raise


def _run_later(call: Call, content: bytes, wanted: _Import) -> None:
    try:
        _run(call, content, wanted)
    except DataverseError:
        logger.info("The import %s failed.", wanted.job)
    except Exception:
        logger.exception("The import %s failed.", wanted.job)
    finally:
        end_alone()


def _run(call: Call, content: bytes, wanted: _Import) -> None:
    """Import, and write the outcome into the job and the operation. Raises DataverseError."""
    failure: DataverseError | None = None
    package = None
    try:
        package = _read(content)
        with call.store.writing() as connection:
            _install(call, connection, package, held=wanted.held)
            if wanted.upgraded:
                promote(call, connection, wanted.upgraded)
    except DataverseError as error:
        failure = error
        raise
    finally:
        with call.store.writing() as connection:
            _finish(call, connection, wanted, package, failure)


class _ComponentError(DataverseError):
    """One component of a solution cannot be imported, so none of them is."""

    def __init__(self, error: DataverseError, component: str) -> None:
        super().__init__(error.status, error.code, error.message)
        self.component = component


def _install(call: Call, connection: sqlite3.Connection, package: Package, *, held: bool) -> None:
    """Bring in what a package holds; as holding, under another name beside the solution that it is to replace."""
    name = holding_name(package.name) if held else package.name
    brought = definitions_of(package, call.service.catalog)
    record(connection, name, components_of(brought, package.roles))
    catalog = define(call.service, connection, with_older_columns(connection, brought))
    writer = Writer(connection, catalog, call.user)
    known = {name for name, _ in all_privileges(catalog)}
    for role in package.roles:
        try:
            _role(writer, role, known)
        except DataverseError as error:
            raise _ComponentError(error, role.identity) from error
    table = catalog.table("solution")
    found = connection.execute("SELECT solutionid FROM solution WHERE uniquename = ?", [name]).fetchone()
    values = {"friendlyname": package.label, "version": package.version, "publisherprefix": package.prefix}
    if found:
        writer.update(table, [(found[0], values)])
    else:
        writer.create(table, [{"uniquename": name, **values}])
    sql = "UPDATE solution SET ismanaged = ?, isvisible = 1, updatedon = ?, installedon = coalesce(installedon, ?)"
    connection.execute(sql + " WHERE uniquename = ?", [package.managed, writer.now, writer.now, name])


def _role(writer: Writer, role: Role, known: set[str]) -> None:
    """Make or replace a role in the root business unit. Raises DataverseError for a privilege that does not exist."""
    unknown = sorted(set(role.privileges) - known)
    if unknown or not set(role.privileges.values()) <= set(DEPTHS) or not GUID.fullmatch(role.identity):
        raise _invalid(f"The role '{role.name}' is invalid: {', '.join(unknown) or 'its id or a depth'}.")
    root = writer.connection.execute("SELECT businessunitid FROM businessunit WHERE parentbusinessunitid IS NULL")
    unit = root.fetchone()[0]
    if writer.connection.execute("SELECT 1 FROM role WHERE roleid = ?", [role.identity]).fetchone() is None:
        bind = {"businessunitid@odata.bind": f"/businessunits({unit})"}
        writer.create(writer.catalog.table("role"), [{"roleid": role.identity, "name": role.name, **bind}])
    writer.connection.execute('DELETE FROM "$granted" WHERE role = ?', [role.identity])
    grant(writer.connection, role.identity, {name: DEPTHS[level] for name, level in role.privileges.items()})


def _finish(
    call: Call,
    connection: sqlite3.Connection,
    wanted: _Import,
    package: Package | None,
    failure: DataverseError | None,
) -> None:
    writer = _writer(call, connection)
    name = package.name if package else ""
    done = {"progress": 100, "completedon": writer.now, "solutionname": name, "data": _protocol(package, failure)}
    writer.update(call.catalog.table("importjob"), [(wanted.job, done)])
    if wanted.operation is not None:
        outcome = {"statecode": 3, "statuscode": _FAILED if failure else _SUCCEEDED, "completedon": writer.now}
        outcome |= dict.fromkeys(("friendlymessage", "message"), failure.message if failure else None)
        writer.update(call.catalog.table("asyncoperation"), [(wanted.operation, outcome)])


def _protocol(package: Package | None, failure: DataverseError | None) -> str:
    """Return the import job's protocol: each component with its result, the one that failed with its error."""
    root = ElementTree.Element("importexportxml")
    guilty = getattr(failure, "component", None)
    manifest = ElementTree.SubElement(root, "solutionManifest", {"id": package.name if package else ""})
    _result(manifest, None if guilty else failure)
    entities = [
        ("entity", item.get("Name", ""), item.get("Name", "")) for item in (package.entities if package else [])
    ]
    roles = [("role", item.identity, item.name) for item in (package.roles if package else [])]
    for kind, identity, name in [*entities, *roles]:
        element = ElementTree.SubElement(root, kind, {"id": identity, "LocalizedName": name})
        _result(element, failure if identity == guilty else None)
    return ElementTree.tostring(root, encoding="unicode")


def _result(element: ElementTree.Element, failure: DataverseError | None) -> None:
    said = {"result": "failure", "errorcode": failure.code, "errortext": failure.message} if failure else {}
    ElementTree.SubElement(element, "result", said or {"result": "success", "errorcode": "0", "errortext": ""})
