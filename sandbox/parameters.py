"""Parameters of functions, given in place or as aliases: `Name(A=@p,B='x')?@p=…` (dataverse-web-api.md 5.2, 16.1)."""

import json
import re
from typing import Any

from sandbox import errors
from sandbox.query.options import split_top_level
from sandbox.service import Call


def parameter(call: Call, name: str) -> Any:
    """Return the value of a parameter of the called function. Raises DataverseError (400) when it is no literal."""
    _, _, inner = call.request.segments[0].partition("(")
    # Commas inside the JSON of a value that is given in place belong to it.
    inner = inner.removesuffix(")")
    pieces = split_top_level(inner, ",") if "@" in inner else [inner]
    text = next((piece.partition("=")[2] for piece in pieces if piece.partition("=")[0].strip() == name), "")
    if text.startswith("@"):
        text = call.request.parameters.get(text, "")
    return _literal(name, text)


def _literal(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # OData's own literals, and objects as Microsoft's pages write them, have single quotes.
        if re.fullmatch(r"'(?:[^']|'')*'", text):
            return text[1:-1].replace("''", "'")
    try:
        return json.loads(text.replace("'", '"'))
    except ValueError as error:
        raise errors.bad_request(f"The parameter '{name}' is not valid JSON.") from error
