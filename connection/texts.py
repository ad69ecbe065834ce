"""Texts that are stored and shown later to readers of any of the product's languages."""

from django.conf import settings
from django.db import models
from django.utils import translation
from django.utils.translation import get_language


class Texts(models.JSONField):
    """One text in each language of the product: `{"en": …, "nb": …}`."""


def in_every_language(text: object) -> dict[str, str]:
    """What `str(text)` says in each language of the product, for storing."""
    texts = {}
    for code, _ in settings.LANGUAGES:
        with translation.override(code):
            texts[code] = str(text)
    return texts


def in_language(texts: dict[str, str]) -> str:
    """The text in the reader's language, else in English."""
    return texts.get((get_language() or "en").split("-")[0]) or texts.get("en", "")
