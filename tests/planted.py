"""Watches the whole suite for secrets: well-known values are planted, and whatever the product lets out is searched.

Searched are every finished log line, every answer of the test client and the live server, everything written to the
database (history and imports among it), every session, every cache entry and every task before it is pickled. A test
that lets one out fails. Access tokens need no planting: their shape gives them away.
"""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisSerializer
from django.core.handlers.base import BaseHandler
from django.db.backends.signals import connection_created
from django_q.signing import SignedPackage

from connection.masking import SecretFilter
from crmbridge.models import ApiKey
from financials.models import WebServiceKey
from tests.sandbox_process import SandboxProcess

TOKEN = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")
# Shorter values would be found where nobody put them.
LEAST = 12


class Watch:
    """The planted values, and where one of them was seen."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._shown_once: set[str] = set()
        self._pattern = TOKEN
        self._leaks: list[str] = []

    def plant(self, name: str, value: str, *, is_shown_once: bool = False) -> str:
        """Have VALUE searched for from now on; one answer may carry what is shown once. Returns VALUE."""
        if len(value) >= LEAST and value not in self._names:
            self._names[value] = name
            self._pattern = re.compile("|".join([TOKEN.pattern, *map(re.escape, self._names)]))
        if is_shown_once:
            self._shown_once.add(value)
        return value

    def plant_those_of(self, sandbox: SandboxProcess) -> None:
        """Plant the client secrets of a sandbox and the passwords of its people."""
        for name in ("client_secret", "sync_client_secret"):
            self.plant(f"the sandbox's {name}", sandbox.details.get(name, ""))
        for login, password in sandbox.people().items():
            self.plant(f"the password of {login}", password)

    def look(self, where: str, text: str, *, is_answer: bool = False) -> None:
        """Note the planted values and tokens in TEXT."""
        for value in set(self._pattern.findall(text)):
            if is_answer and value in self._shown_once:
                self._shown_once.discard(value)
            else:
                self._leaks.append(f"{self._names.get(value, 'an access token')} in {where}")

    def take(self) -> list[str]:
        """What was seen since the last time."""
        leaks, self._leaks = self._leaks, []
        return leaks


class Lines(logging.Handler):
    """The log as the product writes it: with its filter, format and exception texts."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self.addFilter(SecretFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Look at the finished line."""
        self._watch.look(f"a log line of {record.name}", self.format(record))


def texts(values: Any) -> Iterable[str]:
    """Every text among the parameters of a statement."""
    for value in values.values() if isinstance(values, dict) else values or ():
        if isinstance(value, list | tuple):
            yield from texts(value)
        elif isinstance(value, bytes):
            yield value.decode("latin-1")
        elif not isinstance(value, int | float | bool | None):
            yield str(getattr(value, "obj", value))


def install(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """Stand at every way out."""
    logging.getLogger().addHandler(Lines(watch))

    def statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("SELECT", "PRAGMA")):
            for text in texts(params):
                watch.look(f"the database: {sql[:60]}", text)
        return execute(sql, params, many, context)

    def connected(connection: Any, **details: Any) -> None:
        if statement not in connection.execute_wrappers:
            connection.execute_wrappers.append(statement)

    connection_created.connect(connected, weak=False, dispatch_uid="tests.planted")
    answer = BaseHandler.get_response

    def answered(self: Any, request: Any) -> Any:
        response = answer(self, request)
        body = getattr(response, "content", b"")
        text = f"{response.headers} {response.cookies} {body.decode('utf-8', 'replace')}"
        watch.look(f"the answer to {request.method} {request.path}", text, is_answer=True)
        return response

    patch.setattr(BaseHandler, "get_response", answered)
    _watch_stores(watch, patch)
    _watch_makers(watch, patch)


def _watch_stores(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """Look at sessions, tasks and cache entries before they are encoded."""
    cache: Any = LocMemCache
    encode, dumps, keep, redis = SessionBase.encode, SignedPackage.dumps, cache._set, RedisSerializer.dumps

    def session(self: Any, data: Any) -> str:
        watch.look("a session", repr(data))
        return encode(self, data)

    def task(obj: Any, *args: Any, **details: Any) -> str:
        watch.look("a task", repr(obj))
        return str(dumps(obj, *args, **details))

    def local(self: Any, key: str, value: Any, *args: Any) -> None:
        watch.look(f"the cache under {key}", value.decode("latin-1") if isinstance(value, bytes) else repr(value))
        keep(self, key, value, *args)

    def remote(self: Any, obj: Any) -> Any:
        watch.look("the cache", repr(obj))
        return redis(self, obj)

    patch.setattr(SessionBase, "encode", session)
    patch.setattr(SignedPackage, "dumps", staticmethod(task))
    patch.setattr(cache, "_set", local)
    patch.setattr(RedisSerializer, "dumps", remote)


def _watch_makers(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """Plant every key that the product itself makes."""
    issue, change = ApiKey.issue, WebServiceKey.change

    def issued(self: ApiKey) -> str:
        key = issue(self)
        watch.plant("an API key", key.partition(".")[2], is_shown_once=True)
        return key

    def changed(user: Any, **details: Any) -> str:
        return watch.plant("a web services access key", change(user, **details), is_shown_once=True)

    patch.setattr(ApiKey, "issue", issued)
    patch.setattr(WebServiceKey, "change", staticmethod(changed))
