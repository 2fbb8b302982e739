"""The guides name what is there: commands, options, paths, units, settings; container files fit the repository."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from album.inference.profiles import PROFILES
from tests.faults.installation import Installation
from tests.faults.servers import postgresql

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT, DOCKER = REPOSITORY / "deployment", REPOSITORY / "deployment" / "docker"
INSTALLER = DEPLOYMENT / "setup_celery_systemd.sh"
NAMES = (
    "deployment/DEPLOYMENT_SYSTEMD.md",
    "deployment/DOCKER.md",
    "docs/ADMIN_GUIDE_AI_SETTINGS.md",
    "docs/several-machines.md",
)
GUIDES = [REPOSITORY / name for name in NAMES]
each_guide = pytest.mark.parametrize("guide", GUIDES, ids=NAMES)
SETTINGS = set(re.findall(r"^([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
OF_DOCKER = {"LISTEN", "WORKER_MEMORY", "POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB"}
OF_PROGRAMS = {"HOME", "PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "GUNICORN_CMD_ARGS"}
KEYS_OF_A_SERVICE = {
    *("image", "restart", "init", "read_only", "tmpfs", "cap_drop", "security_opt", "volumes", "environment"),
    *("build", "command", "ports", "depends_on", "healthcheck", "stop_grace_period", "mem_limit"),
}
"""Source: the Compose Specification, of which compose.yaml uses these."""

FIND_FERRY = """
    from django.contrib.auth.models import User
    from album.search.finding import find
    from album.search.parse import parse
    found = find(parse("ferry"), User.objects.get(username="alice"), sort="newest", before="", limit=10)
    print(*(row.title for row in found.rows))
"""

PLACES = """
from django.conf import settings
options = settings.CELERY_BROKER_TRANSPORT_OPTIONS.values()
print(settings.MEDIA_ROOT, settings.DATABASES["default"]["NAME"], settings.BACKUP_DIR, *options)
print(settings.CELERY_RESULT_BACKEND)
"""


def command_lines(guide: Path) -> list[str]:
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", guide.read_text(), re.MULTILINE | re.DOTALL)
    return [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]


def manage_arguments(line: str) -> list[str] | None:
    """What follows ``manage.py`` in a command, up to ``&&``, or None."""
    words = shlex.split(line)
    places = [place for place, word in enumerate(words) if word.endswith("manage.py")]
    return words[places[0] + 1 :] if places else None


@each_guide
def test_every_command_of_the_guide_is_one_for_bash(guide: Path) -> None:
    lines = command_lines(guide)
    assert len(lines) >= 5
    checked = subprocess.run(["bash", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@each_guide
def test_every_management_command_of_the_guide_exists_with_its_options(guide: Path) -> None:
    commands = get_commands()
    found = [arguments for line in command_lines(guide) if (arguments := manage_arguments(line))]
    found += [shlex.split(words) for words in re.findall(r"`manage\.py ([^`]+)`", guide.read_text())]
    for name, *arguments in found:
        assert name in commands, f"{guide.name}: there is no command {name}"
        app = commands[name]
        command = load_command_class(app, name) if isinstance(app, str) else app
        command.create_parser("manage.py", name).parse_args(arguments)


@each_guide
def test_every_option_of_the_installer_in_the_guide_exists(guide: Path) -> None:
    known = set(re.findall(r"^#   (--[a-z-]+)", INSTALLER.read_text(), re.MULTILINE)) | {"--help"}
    for line in command_lines(guide):
        if INSTALLER.name in line:
            assert {word for word in shlex.split(line) if word.startswith("--")} <= known, line


def anchor_of(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@each_guide
def test_every_link_of_the_guide_leads_to_a_page_and_its_heading(guide: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", guide.read_text()):
        page = (guide.parent / target).resolve() if target else guide
        assert page.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            assert anchor in map(anchor_of, headings), f"{target}#{anchor}"


@each_guide
def test_every_setting_unit_and_file_that_the_guide_names_exists(guide: Path) -> None:
    text = guide.read_text()
    written = re.findall(r"`([A-Z]+_[A-Z_]+)[=`]|^ *([A-Z]+_[A-Z_]+)=", text, re.MULTILINE)
    assert {first or second for first, second in written} - {"AI_"} <= SETTINGS | OF_DOCKER
    units = {path.name for path in (DEPLOYMENT / "systemd").iterdir()}
    for unit in re.findall(r"\bphoto-album-(?:web|celery-\w+)\b|\bphoto-album\.target\b", text):
        assert {unit, f"{unit}.service"} & units, unit
    for path in re.findall(r"(?<![\w/.-])(?:\./)?(deployment/[\w./-]*\w)", text):
        assert (REPOSITORY / path).exists() or path.endswith("docker/.env"), path


def test_guides_name_every_profile_and_its_numbers() -> None:
    install, settings = GUIDES[0].read_text(), GUIDES[2].read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", install, re.MULTILINE)[: len(PROFILES)] == list(PROFILES)
    advised = [PROFILES[name] for name in ("raspberry-pi", "mid-range", "gpu")]
    rows = {
        "Items in one night": [profile.batch_size for profile in advised],
        "Seconds for one item": [round(profile.item_timeout_s) for profile in advised],
        "`CELERY_WORKER_CONCURRENCY`": [profile.worker_concurrency for profile in advised],
    }
    for title, numbers in rows.items():
        assert f"| {title} | {' | '.join(map(str, numbers))} |" in settings


def test_library_moves_to_postgresql_by_the_lines_of_the_guide(installation: Installation, tmp_path: Path) -> None:
    lines = [arguments for line in command_lines(GUIDES[0]) if (arguments := manage_arguments(line))]
    dump, migrate, load = (
        next(line for line in lines if line[0] == name) for name in ("dumpdata", "migrate", "loaddata")
    )
    dump[-1] = load[-1] = str(tmp_path / "library.json")
    installation.make_photos(3)
    installation.python("from album.models import MediaItem; MediaItem.objects.update(title='Ferry')")
    installation.manage("setup_beat_schedule")
    installation.manage(*dump)
    with postgresql() as url:
        installation.env["DATABASE_URL"] = url
        installation.manage(*migrate)
        installation.manage(*load)
        assert installation.statuses() == {"pending": 3}
        installation.make_photos(5)
        assert installation.statuses() == {"pending": 5}, (
            "known ones are known, and new ones get numbers of their own"
        )
        found = installation.python(FIND_FERRY)
        assert found.split() == ["Ferry"] * 3, "they can be found"


def test_a_restored_copy_shares_nothing_with_the_library_beside_it(tmp_path: Path) -> None:
    lines = (REPOSITORY / "docs" / "backup.md").read_text().replace("\\\n", "").splitlines()
    line = next(line for line in lines if line.endswith("./scripts/run"))
    given = dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)
    library, copy = tmp_path / "library", tmp_path / "copy"
    redis = "redis://:secret@localhost:6379/0"
    (tmp_path / ".env").write_text(
        f"MEDIA_ROOT={library}/media\nDATABASE_URL=sqlite:///{library}/album.sqlite3\nBACKUP_DIR={library}/backups\n"
        f"CELERY_BROKER_URL={redis}\nCELERY_RESULT_BACKEND={redis}\n"
    )
    assert given["PHOTO_ALBUM_VAR_DIR"]
    own = {"PHOTO_ALBUM_ENV_FILE": str(tmp_path / ".env"), "PHOTO_ALBUM_VAR_DIR": str(copy)}
    environment = {"PATH": os.environ["PATH"], **given, **own}
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", PLACES]
    told = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    places = told.stdout.split()
    assert len(places) == 7
    assert all(place.removeprefix("file://").startswith(str(copy)) for place in places), places


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile, an instruction and its arguments each."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, arguments = line.partition(" ")
            yield name, arguments


def is_sent_to_the_builder(path: str) -> bool:
    """By the rules of .dockerignore, of which the last that fits counts."""
    is_sent = True
    for rule in (DOCKER / "Dockerfile.dockerignore").read_text().split("\n"):
        pattern = rule.removeprefix("!")
        if (
            pattern
            and not pattern.startswith("#")
            and (fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"))
        ):
            is_sent = rule.startswith("!")
    return is_sent


def test_dockerfile_copies_what_is_there_and_sets_what_is_known() -> None:
    known = {"FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "CMD"}
    copied = []
    for name, arguments in instructions():
        assert name in known, name
        if name == "COPY" and not arguments.startswith("--from="):
            copied += arguments.split()[:-1]
        if name == "ENV":
            assert set(re.findall(r"([A-Z_]+)=", arguments)) <= SETTINGS | OF_PROGRAMS
    for source in copied:
        assert (REPOSITORY / source).exists(), source
        assert is_sent_to_the_builder(source), source
    assert {"album", "photo_album", "manage.py", "pyproject.toml"} <= set(copied)
    assert not is_sent_to_the_builder(".env")
    assert not is_sent_to_the_builder("album/static/vendor")


def test_what_the_dockerfile_copies_is_enough_to_build_and_to_start(tmp_path: Path) -> None:
    sources = [source for name, arguments in instructions() if name == "COPY" for source in arguments.split()[:-1]]
    for source in sources:
        if (whole := REPOSITORY / source).is_dir():
            shutil.copytree(whole, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
        elif whole.is_file():
            (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole, tmp_path / source)
    folders = {"PHOTO_ALBUM_VAR_DIR": tmp_path / "var", "STATIC_ROOT": tmp_path / "static"}
    environment = {**os.environ, "PHOTO_ALBUM_ENV_FILE": "/dev/null", **{k: str(v) for k, v in folders.items()}}

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run("bash", "-euc", ". scripts/setup.sh; compile_languages")
    run(sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0")
    run(sys.executable, "manage.py", "migrate", "--verbosity", "0")
    run(sys.executable, "manage.py", "backup", str(tmp_path / "backups"), "--database-only")
    assert (tmp_path / "static" / "staticfiles.json").is_file()


def test_container_runs_as_the_units_do_and_not_as_root() -> None:
    last = dict(instructions())
    assert last["USER"] == "album"
    units = {path.stem: path.read_text() for path in (DEPLOYMENT / "systemd").glob("*.service")}
    services = compose_file("compose.yaml")["services"]
    web = " ".join(yaml.safe_load(last["CMD"]))
    assert web in units["photo-album-web"]
    assert web in services["web"]["command"]
    assert services["worker"]["command"] in units["photo-album-celery-worker"]
    assert services["beat"]["command"] in units["photo-album-celery-beat"]


def compose_file(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DOCKER / name).read_text()))


@pytest.mark.parametrize("name", ["compose.yaml", "compose.postgresql.yaml"])
def test_compose_file_uses_known_keys_known_settings_and_its_own_volumes(name: str) -> None:
    first, file = compose_file("compose.yaml"), compose_file(name)
    assert {key for key in file if not key.startswith("x-")} <= {"name", "services", "volumes"}
    services = first["services"] | file["services"]
    volumes = first["volumes"] | file["volumes"]
    for service in file["services"].values():
        assert set(service) <= KEYS_OF_A_SERVICE
        assert set(service.get("environment", {})) <= SETTINGS | OF_DOCKER
        assert set(service.get("depends_on", ())) <= set(services)
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(volumes)
    asked_for = set(re.findall(r"\$\{([A-Z_]+)", (DOCKER / name).read_text()))
    guide = GUIDES[1].read_text()
    assert [variable for variable in asked_for if variable not in guide] == []
