"""What repeats itself in the log is said now and then."""

import logging

import pytest


def test_the_task_queue_says_once_a_minute_that_its_broker_is_away(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("crmbridge.log_filters.time.monotonic", lambda: now[0])
    log = logging.getLogger("django-q")
    for _ in range(30):
        log.error("Error 111 connecting to %s", "localhost:6379")
        now[0] += 1
    log.error("Something else")
    now[0] += 40
    log.error("Error 111 connecting to %s", "localhost:6379")
    told = [record.getMessage() for record in caplog.records if record.name == "django-q"]
    assert told == [
        "Error 111 connecting to localhost:6379",
        "Something else",
        "Error 111 connecting to localhost:6379",
    ]
