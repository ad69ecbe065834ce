"""Labels and managed properties, the wrappers that metadata puts around plain values (dataverse-web-api.md 3.2)."""

from typing import Any

from sandbox.metadata.columns import metadata_id

LANGUAGE = 1033


def label(text: str | None) -> dict[str, Any]:
    """Return a text as a Label."""
    if not text:
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    localized = {"Label": text, "LanguageCode": LANGUAGE, "IsManaged": True, "MetadataId": metadata_id("label", text)}
    return {"LocalizedLabels": [localized], "UserLocalizedLabel": dict(localized)}


def managed(value: Any, name: str = "") -> dict[str, Any]:
    """Return a value as a managed property."""
    return {"Value": value, "CanBeChanged": False, "ManagedPropertyLogicalName": name}
