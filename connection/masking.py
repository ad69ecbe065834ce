"""Keeps secrets out of texts: what passes `mask` shows stars where a secret was."""

import logging
import re

STARS = "*****"

_SHAPES = re.compile(
    r"(?i)"
    r"(?P<keep>\bBearer\s+|\bBasic\s+|\b(?:client_secret|client_assertion|access_token|refresh_token|id_token|code_verifier"
    r"|password|authvalue)"
    r"[\"']?\s*[=:]\s*[\"']?)"
    r"(?P<secret>[^\s\"'&,;}]+)"
)
_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_DSN = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)(?=@)")

_registered: set[str] = set()


def register_secret(value: str) -> None:
    """Have `mask` hide `value` wherever it turns up in this process; texts under 6 characters would hide too much."""
    if len(value) >= 6:
        _registered.add(value)


def forget_secret(value: str) -> None:
    """Keep `value` no longer: it was valid for one task only."""
    _registered.discard(value)


def mask(text: str) -> str:
    """`text` with registered secrets, tokens, `name=secret` pairs and passwords of addresses replaced by stars."""
    text = _PRIVATE_KEY.sub(STARS, text)
    for secret in tuple(_registered):
        text = text.replace(secret, STARS)
    text = _TOKEN.sub(STARS, text)
    text = _SHAPES.sub(lambda match: match["keep"] + STARS, text)
    return _DSN.sub(rf"\1:{STARS}", text)


class SecretFilter(logging.Filter):
    """Logging filter that masks the finished message and its arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, masked."""
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = mask(logging.Formatter().formatException(record.exc_info))
        return True
