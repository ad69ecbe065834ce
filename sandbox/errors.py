"""Errors in Dataverse's shape (dataverse-web-api.md 9): an HTTP status, a hex code and an English message."""

from collections.abc import Mapping

OBJECT_DOES_NOT_EXIST = "0x80040217"
NOT_FOUND_BY_KEY = "0x80060891"
SEVERAL_FOUND_BY_KEY = "0x8006089D"
KEY_NOT_DEFINED = "0x80060890"
DUPLICATE_RECORD = "0x80040237"
DUPLICATE_KEY = "0x80060892"
VERSION_MISMATCH = "0x80060882"
URI_LAYER = "0x80060888"
PAYLOAD_LAYER = "0x80048d19"
CANNOT_DELETE = "0x80040227"
TOO_LONG = "0x80044331"
INTEGER_RANGE = "0x8004432F"
DECIMAL_RANGE = "0x80044330"
OPTION_RANGE = "0x8004431A"
STATE_STATUS = "0x80048408"
DUPLICATES_FOUND = "0x80040333"
NO_ACCESS = "0x80048306"
INVALID_ARGUMENT = "0x80040203"
FIELD_MISSING = "0x80040200"
EXPIRED_VERSION_STAMP = "0x80044352"
TRACKING_NOT_ENABLED = "0x80072491"
NOT_A_MEMBER = "0x80072560"
USER_DISABLED = "0x80040225"
NOT_LICENSED = "0x8004D24B"
UNEXPECTED = "0x80040216"
SQL_TIMEOUT = "0x80044151"
IN_USE = "0x8004F01F"


class DataverseError(Exception):
    """An answer other than success. Raised anywhere below the door, which turns it into JSON."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class NotModifiedError(Exception):
    """The row still has the version that the client holds: 304 without a body."""


def bad_request(message: str, code: str = URI_LAYER) -> DataverseError:
    """Return the 400 for a request that cannot be understood."""
    return DataverseError(400, code, message)


def bad_payload(entity_set: str, message: str) -> DataverseError:
    """Return the 400 for a body with a property or value that does not fit."""
    text = f"Error identified in Payload provided by the user for Entity :'{entity_set}'  ---->  {message}"
    return DataverseError(400, PAYLOAD_LAYER, text)


def segment_not_found(segment: str) -> DataverseError:
    """Return the 404 for an address that names nothing."""
    return DataverseError(404, URI_LAYER, f"Resource not found for the segment '{segment}'.")


def no_such_column(name: str, table: str) -> DataverseError:
    """Return the 400 for a query that names an unknown column."""
    return bad_request(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'.")


def does_not_exist(table: str, identity: str) -> DataverseError:
    """Return the 404 for a row that is not there."""
    return DataverseError(404, OBJECT_DOES_NOT_EXIST, f"{table} With Id = {identity} Does Not Exist")


def version_mismatch() -> DataverseError:
    """Return the 412 for a write that names an older version (dataverse-web-api.md 15)."""
    message = "The version of the existing record doesn't match the RowVersion property provided."
    return DataverseError(412, VERSION_MISMATCH, message)


def duplicate_record() -> DataverseError:
    """Return the 412 for a primary key that is taken."""
    return DataverseError(412, DUPLICATE_RECORD, "A record with matching key values already exists.")


def duplicates_found() -> DataverseError:
    """Return the 412 for a write that a duplicate detection rule refuses (dataverse-web-api.md 4.9, 17.3)."""
    message = "A record was not created or updated because a duplicate of the current record already exists."
    return DataverseError(412, DUPLICATES_FOUND, message)


def no_access(table: str, identity: str) -> DataverseError:
    """Return the 403 for a row that the depth of the user's privilege does not reach (dataverse-web-api.md 9.2)."""
    message = f"The user has not enough privilege to access the {table} With Id = {identity}."
    return DataverseError(403, NO_ACCESS, message)


def not_allowed(method: str) -> DataverseError:
    """Return the 405 for a method that the resource does not have."""
    return DataverseError(405, URI_LAYER, f"The requested resource does not support http method '{method}'.")


def not_implemented(what: str) -> DataverseError:
    """Return the 501 for a part of the Web API that the sandbox lacks."""
    return DataverseError(501, "0x80048d0a", f"The sandbox does not speak this part of the Web API: {what}.")


def sql_timeout() -> DataverseError:
    """Return the 500 for a write that waited too long for another one (dataverse-web-api.md 9.2)."""
    return DataverseError(500, SQL_TIMEOUT, "SQL timeout expired.")


def in_use(component: str, count: int) -> DataverseError:
    """Return the 400 for deleting a component of a solution that others need (CannotDeleteInUseComponent)."""
    message = f"The {component} component cannot be deleted because it is referenced by {count} other components. "
    message += "For a list of referenced components, use the RetrieveDependenciesForDeleteRequest."
    return DataverseError(400, IN_USE, message)
