"""The published web service of the financials: item availability by OData v4, to read (S11, S49).

    GET /odata/v4/ItemAvailability?$filter=No eq 'V00001'
    GET /odata/v4/ItemAvailability('V00001')

A small, honest part of OData: what is not understood is refused with 501, never ignored.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from django.http import HttpResponse
from django.urls import URLPattern, path, re_path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from financials.models import Item

ENTITY_SET: Final = "ItemAvailability"
PAGE_SIZE: Final = 1000
# Property → type and how it is read from an item; the order is the order of the answer.
PROPERTIES: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "No": ("Edm.String", lambda item: item.no),
    "SystemId": ("Edm.Guid", lambda item: str(item.system_id)),
    "Description": ("Edm.String", lambda item: item.description),
    "Base_Unit_of_Measure": ("Edm.String", lambda item: item.base_unit_of_measure),
    "Blocked": ("Edm.Boolean", lambda item: item.blocked or item.sales_blocked),
    "Inventory": ("Edm.Decimal", lambda item: float(item.inventory)),
    "As_Of": ("Edm.DateTimeOffset", lambda item: timezone.now().isoformat(timespec="seconds")),
}
_TEXT: Final = r"'((?:[^']|'')*)'"
_EQUALS: Final = re.compile(rf"\(?\s*No\s+eq\s+{_TEXT}\s*\)?")
_ONE_OF: Final = re.compile(rf"No\s+in\s+\(\s*({_TEXT}(?:\s*,\s*{_TEXT})*)\s*\)")


class NotUnderstood(APIException):
    """A question that this service does not answer (OData 4.0 part 1, 9.3.1)."""

    status_code = status.HTTP_501_NOT_IMPLEMENTED
    default_code = "not_implemented"


class ODataView(APIView):
    """What all answers share: one content type, the version, and errors in OData's form."""

    schema = None
    permission_classes = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)
    query_options: ClassVar[frozenset[str]] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let in whom the authentication lets in. Raises NotUnderstood for options that are not offered here."""
        super().initial(request, *args, **kwargs)
        for name in request.query_params:
            if name.startswith("$") and name not in self.query_options:
                raise NotUnderstood(_("The option %(name)s is not offered here.") % {"name": name})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the version, and keep the figures out of every cache."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["OData-Version"], answer["Cache-Control"] = "4.0", "no-store"
        return answer

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Errors as OData clients read them."""
        return odata_error

    def root(self) -> str:
        """The address of the service."""
        return self.request.build_absolute_uri(reverse("odata:service"))


def odata_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """`{"error": {"code", "message"}}` for what the API would answer otherwise."""
    response = exception_handler(error, context)
    if response is not None and isinstance(error, APIException):
        code = error.get_codes()
        response.data = {"error": {"code": str(code), "message": str(error.detail)}}
    return response


class ServiceView(ODataView):
    """The service document: what there is to ask for."""

    def get(self, request: Request) -> Response:
        """The one entity set."""
        entry = {"name": ENTITY_SET, "kind": "EntitySet", "url": ENTITY_SET}
        return Response({"@odata.context": f"{self.root()}$metadata", "value": [entry]})


class MetadataView(ODataView):
    """The description of the service (CSDL)."""

    def get(self, request: Request) -> HttpResponse:
        """One entity type with its properties."""
        return HttpResponse(_csdl(), content_type="application/xml")


class ItemAvailabilityView(ODataView):
    """The inventory of items, each with the time it was worked out (S12)."""

    query_options = frozenset({"$filter", "$select", "$top", "$skip", "$count", "$orderby"})

    def get(self, request: Request) -> Response:
        """The items asked for by number; all of them, page by page, where none is named."""
        asked = request.query_params
        if asked.get("$orderby", "No") not in ("No", "No asc"):
            raise NotUnderstood(_("Items are ordered by No only."))
        items = _filtered(asked.get("$filter", ""))
        skip, top = _number(asked, "$skip", 0), _number(asked, "$top", None)
        page = list(items[skip : skip + min(PAGE_SIZE, PAGE_SIZE if top is None else top)])
        answer: dict[str, Any] = {"@odata.context": f"{self.root()}$metadata#{ENTITY_SET}"}
        if asked.get("$count") == "true":
            answer["@odata.count"] = items.count()
        answer["value"] = [_shown(item, asked) for item in page]
        if len(page) == PAGE_SIZE and (top is None or top > PAGE_SIZE):
            answer["@odata.nextLink"] = self._next(asked, skip + PAGE_SIZE, top)
        return Response(answer)

    def _next(self, asked: Any, skip: int, top: int | None) -> str:
        following = asked.copy()
        following["$skip"] = str(skip)
        if top is not None:
            following["$top"] = str(top - PAGE_SIZE)
        return f"{self.root()}{ENTITY_SET}?{following.urlencode(safe='$')}"


class OneItemView(ODataView):
    """One item's inventory, by its number."""

    query_options = frozenset({"$select"})

    def get(self, request: Request, no: str) -> Response:
        """The item. Raises NotFound."""
        item = _numbered([no]).first()
        if item is None:
            raise NotFound(_("There is no item of this number."))
        context = {"@odata.context": f"{self.root()}$metadata#{ENTITY_SET}/$entity"}
        return Response(context | _shown(item, request.query_params))


def _items() -> Any:
    return Item.objects.annotate(**Item.computed()).order_by("no")


def _filtered(text: str) -> Any:
    """The items that a filter of numbers names. Raises NotUnderstood."""
    if not text:
        return _items()
    if one_of := _ONE_OF.fullmatch(text.strip()):
        numbers = re.findall(_TEXT, one_of[1])
    else:
        parts = [_EQUALS.fullmatch(part.strip()) for part in re.split(r"\s+or\s+(?=\(?\s*No\s)", text)]
        numbers = [part[1] for part in parts if part]
        if len(numbers) != len(parts):
            raise NotUnderstood(_("Items are found by No only, as in: No eq 'V00001' or No eq 'V00002'."))
    return _numbered(numbers)


def _numbered(quoted: Iterable[str]) -> Any:
    """The items of these numbers, as they stand between quotation marks. None has NUL, which PostgreSQL refuses."""
    numbers = [number.replace("''", "'").strip().upper() for number in quoted if "\0" not in number]
    return _items().filter(no__in=numbers)


def _number(asked: Any, name: str, default: Any) -> Any:
    text = asked.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text):
        raise BadRequest(_("%(name)s has to be a number.") % {"name": name})
    return int(text)


class BadRequest(APIException):
    """A question that makes no sense."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "bad_request"


def _shown(item: Any, asked: Any) -> dict[str, Any]:
    """The properties asked for. Raises BadRequest for unknown ones."""
    names = [name.strip() for name in asked.get("$select", "*").split(",")]
    if names == ["*"]:
        names = list(PROPERTIES)
    if unknown := [name for name in names if name not in PROPERTIES]:
        raise BadRequest(_("There is no property %(name)s.") % {"name": unknown[0]})
    return {name: read(item) for name, (_type, read) in PROPERTIES.items() if name in names}


def _csdl() -> str:
    columns = "".join(
        f'<Property Name="{name}" Type="{kind}"{" Scale=" + chr(34) + "5" + chr(34) if kind == "Edm.Decimal" else ""}'
        f' Nullable="false"/>'
        for name, (kind, _read) in PROPERTIES.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="financials" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'<EntityType Name="{ENTITY_SET}"><Key><PropertyRef Name="No"/></Key>{columns}</EntityType>'
        f'<EntityContainer Name="Published"><EntitySet Name="{ENTITY_SET}" EntityType="financials.{ENTITY_SET}"/>'
        "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    )


def odata_urls(authentication: type[BaseAuthentication]) -> tuple[list[URLPattern], str]:
    """The addresses, for `include`; the higher room says by AUTHENTICATION who may ask, which this one cannot know."""
    who = {"authentication_classes": (authentication,)}
    return [
        path("v4/", ServiceView.as_view(**who), name="service"),
        path("v4/$metadata", MetadataView.as_view(**who), name="metadata"),
        path(f"v4/{ENTITY_SET}", ItemAvailabilityView.as_view(**who), name="items"),
        re_path(rf"^v4/{ENTITY_SET}\({_TEXT.replace('(', '(?P<no>', 1)}\)$", OneItemView.as_view(**who), name="item"),
    ], "odata"
