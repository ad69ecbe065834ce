"""ImportSolution, ImportSolutionAsync and StageSolution (dataverse-web-api.md 12)."""

import base64
import binascii
import logging
import sqlite3
import threading
import uuid
from typing import Any
from xml.sax.saxutils import quoteattr

from sandbox import errors
from sandbox.access import DEPTHS, all_privileges
from sandbox.customizing import define
from sandbox.errors import DataverseError
from sandbox.protocol import Answer
from sandbox.rows.values import GUID
from sandbox.rows.writing import Writer
from sandbox.seed.privileges import grant
from sandbox.service import Call
from sandbox.solutions.package import Package, PackageError, Role, definitions_of, read_package

logger = logging.getLogger(__name__)
_ONE_AT_A_TIME = threading.Lock()
_SUCCEEDED, _FAILED = 30, 31
Json = dict[str, Any]


def import_solution(call: Call) -> Answer:
    """Import a solution and answer when it is done. Raises DataverseError: 0x80071151 while another is imported."""
    body = _body(call)
    content, job = _content(call, body), _job(body)
    _begin(call, job)
    try:
        _run(call, content, job, None)
    finally:
        _ONE_AT_A_TIME.release()
    return Answer.none()


def import_solution_async(call: Call) -> Answer:
    """Begin to import a solution, and answer with what to ask for its progress."""
    body = _body(call)
    content, job, operation = _content(call, body), _job(body), str(uuid.uuid4())
    _begin(call, job)
    with call.store.writing() as connection:
        row = {"asyncoperationid": operation, "name": "Import Solution", "operationtype": 203, "statuscode": 0}
        _writer(call, connection).create(call.catalog.table("asyncoperation"), [row])
    threading.Thread(target=_run_later, args=(call, content, job, operation), daemon=True).start()
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
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        message = "Cannot start another solution operation because another one is running at this moment."
        raise DataverseError(400, "0x80071151", message)
    try:
        with call.store.writing() as connection:
            writer = _writer(call, connection)
            row = {"importjobid": job, "name": "Customizations", "progress": 0, "startedon": writer.now}
            writer.create(call.catalog.table("importjob"), [row])
    except BaseException:
        _ONE_AT_A_TIME.release()
        raise


def _run_later(call: Call, content: bytes, job: str, operation: str) -> None:
    try:
        _run(call, content, job, operation)
    except DataverseError:
        logger.info("The import %s failed.", job)
    except Exception:
        logger.exception("The import %s failed.", job)
    finally:
        _ONE_AT_A_TIME.release()


def _run(call: Call, content: bytes, job: str, operation: str | None) -> None:
    """Import, and write the outcome into the job and the operation. Raises DataverseError."""
    message, package = "", None
    try:
        package = _read(content)
        with call.store.writing() as connection:
            _install(call, connection, package)
    except DataverseError as error:
        message = error.message
        raise
    finally:
        with call.store.writing() as connection:
            _finish(call, connection, (job, operation), package, message)


def _install(call: Call, connection: sqlite3.Connection, package: Package) -> None:
    catalog = define(call.service, connection, definitions_of(package, call.service.catalog))
    writer = Writer(connection, catalog, call.user)
    known = {name for name, _ in all_privileges(catalog)}
    for role in package.roles:
        _role(writer, role, known)
    table = catalog.table("solution")
    found = connection.execute("SELECT solutionid FROM solution WHERE uniquename = ?", [package.name]).fetchone()
    values = {"friendlyname": package.label, "version": package.version, "publisherprefix": package.prefix}
    if found:
        writer.update(table, [(found[0], values)])
    else:
        writer.create(table, [{"uniquename": package.name, **values}])
    sql = "UPDATE solution SET ismanaged = ?, isvisible = 1, updatedon = ?, installedon = coalesce(installedon, ?)"
    connection.execute(sql + " WHERE uniquename = ?", [package.managed, writer.now, writer.now, package.name])


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
    call: Call, connection: sqlite3.Connection, ids: tuple[str, str | None], package: Package | None, message: str
) -> None:
    writer = _writer(call, connection)
    result = "failure" if message else "success"
    name = package.name if package else ""
    data = f'<importexportxml><result result="{result}" errortext={quoteattr(message)} /></importexportxml>'
    done = {"progress": 100, "completedon": writer.now, "solutionname": name, "data": data}
    writer.update(call.catalog.table("importjob"), [(ids[0], done)])
    if ids[1] is not None:
        outcome = {"statecode": 3, "statuscode": _FAILED if message else _SUCCEEDED, "completedon": writer.now}
        outcome |= {"friendlymessage": message or None, "message": message or None}
        writer.update(call.catalog.table("asyncoperation"), [(ids[1], outcome)])
