"""`manage.py demo`: the whole chain on a made-up company and a sandbox CRM, in a folder of its own."""

import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from connection.errors import CRMBridgeError
from crmbridge.demo.folder import IN_DEMO, DemoRefusedError, claim, clear, demo_environment, refuse_production
from crmbridge.demo.play import play, tell_where_to_look
from crmbridge.demo.stage import Stage, StageError, free_port
from crmbridge.demo.story import Story
from sync.queue import WorkFailedError

# The last is our own timer's.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
HEARD_AFTER = 0.3


class Command(BaseCommand):
    """Start over with the demo's own environment, perform it, and keep it open until Ctrl-C."""

    help = "Show crmbridge at work on a made-up company and a sandbox of Dynamics CRM; nothing else is touched."
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How large, where, and for how long."""
        parser.add_argument("--customers", type=int, default=500, metavar="N", help="how many customers (%(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port of the pages (%(default)s, or a free one)")
        parser.add_argument("--once", action="store_true", help="end after the story; exit code 0 if both sides agree")
        parser.add_argument("--keep", action="store_true", help="go on with the data of the last demo")

    def handle(self, *args: Any, customers: int, port: int, once: bool, keep: bool, **options: Any) -> None:
        """Perform the demo; exits with 1 where the two sides differ.

        Raises:
            CommandError: the demo may not run here, or could not be finished.
        """
        if customers < 10:
            raise CommandError("Ask for at least 10 customers: the story changes some of them.")
        if IN_DEMO not in os.environ:
            _start_over(settings.VAR_DIR / "demo", port, keep=keep)
        story = Story(sys.stdout)
        try:
            with _stage(Path(os.environ[IN_DEMO])) as stage:
                agrees = play(stage, story, customers)
                tell_where_to_look(stage, story, stays=not once)
                if not once:
                    story.heading("Everything keeps running until you press Ctrl-C.")
                    _stay(stage)
        except (StageError, WorkFailedError, TimeoutError) as error:
            raise CommandError(str(error)) from error
        except CRMBridgeError as error:
            raise CommandError(f"{error} {error.technical}") from error
        except KeyboardInterrupt:
            raise CommandError("The demo was interrupted.", returncode=130) from None
        if not once:
            story.heading("Everything has stopped.")
        sys.exit(0 if agrees else 1)


def _stay(stage: Stage) -> None:
    """Leave everything running until somebody says stop."""
    with suppress(KeyboardInterrupt):
        stage.watch()


def _start_over(folder: Path, port: int, *, keep: bool) -> None:
    """Turn this process into the same command inside the demo's own environment, where no other data is in reach."""
    try:
        refuse_production(os.environ)
        claim(folder)
    except DemoRefusedError as error:
        raise CommandError(str(error)) from None
    if not keep:
        clear(folder)
    env = demo_environment(os.environ, folder, free_port(port))
    os.execve(sys.executable, [sys.executable, *sys.argv], env)  # noqa: S606 -- the same program, without a shell


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    """A stage that is struck in any case: at the end, after an error, or when a signal says stop."""
    stage = Stage(folder, int(settings.SITE_ADDRESS.rpartition(":")[2]))

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Once more if this goes unheard: some libraries swallow every exception.
        signal.setitimer(signal.ITIMER_REAL, HEARD_AFTER)
        if not stage.is_starting:
            raise KeyboardInterrupt

    _on_stop_signals(interrupt)
    try:
        yield stage
    finally:
        _on_stop_signals(signal.SIG_IGN)
        stage.strike()


def _on_stop_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, handler)
