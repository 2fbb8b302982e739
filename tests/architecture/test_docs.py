"""Documents say what works: their commands are parsed, those about the night run, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from album.models import BatchRun
from tests.faults.installation import Installation

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
PAGE_NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]


def manage_lines(page: Path) -> list[list[str]]:
    """The arguments of every ``manage.py`` line in the command blocks of a page."""
    lines = re.findall(r"^(?:\$ |    )(?:python )?(?:\./)?manage\.py (.*)$", page.read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_every_command_and_option_on_the_page_exists(page: Path) -> None:
    commands = get_commands()
    for name, *arguments in manage_lines(page):
        assert name in commands, f"{page.name}: there is no command {name}"
        app = commands[name]
        assert isinstance(app, str)
        load_command_class(app, name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_every_link_on_the_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_lines_about_the_night_run(installation: Installation) -> None:
    installation.make_photos(3)
    lines = manage_lines(REPOSITORY / "docs" / "nights.md")
    assert len(lines) >= 10
    for line in lines:
        installation.manage(*line)
    assert installation.statuses() == {"completed": 3}


def test_every_reason_for_the_end_of_a_run_is_explained() -> None:
    page = (REPOSITORY / "docs" / "nights.md").read_text()
    assert [reason for reason in BatchRun.StopReason.values if f"`{reason}`" not in page] == []
