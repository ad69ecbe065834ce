"""The commands of manage.py, as somebody meets them who asks what they do."""

import pytest
from django.core.management import get_commands, load_command_class

from tests.project.processes import ROOT

pytestmark = pytest.mark.any_database

OURS = {name: str(app) for name, app in get_commands().items() if (ROOT / str(app) / "management").is_dir()}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_tells_what_it_does(name: str) -> None:
    parser = load_command_class(OURS[name], name).create_parser("manage.py", name)
    assert parser.description
    assert parser.description in " ".join(parser.format_help().split())
