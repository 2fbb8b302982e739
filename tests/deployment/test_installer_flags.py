"""What the installer answers before it touches anything, and the parts that decide what is written and put back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALLER = REPOSITORY / "deployment" / "setup_celery_systemd.sh"
WITH_VALUE = sorted(set(re.findall(r"\[(--[a-z-]+)\]=", INSTALLER.read_text(encoding="utf-8"))))
ANSWERS = {"PATH", "HOME", "LANG"}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files for other users are made by root only")


def install(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in ANSWERS}
    return subprocess.run(
        ["bash", str(INSTALLER), *arguments],
        check=False,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def run_parts(lines: str, **variables: Path | str) -> str:
    """What these lines print in a shell that knows the functions of the installer."""
    parts = "\n".join(f". {path}" for path in (REPOSITORY / "scripts/setup.sh", *sorted(LIBRARY.glob("*.sh"))))
    assigned = "\n".join(f"{name}='{value}'" for name, value in variables.items())
    script = f"set -euo pipefail\nshopt -s inherit_errexit\n{parts}\n{DEFAULTS}\n{assigned}\n{lines}"
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


LIBRARY = REPOSITORY / "deployment" / "lib"
DEFAULTS = """
DOMAIN= LISTEN= WORKER_ONLY= MEDIA_ROOT= BACKUP_DIR= MODELS_CACHE_DIR= DATABASE_URL= CELERY_BROKER_URL=
STATED_PROFILE= PROFILE=auto
is_installed() { [ -e "$APP_DIR/.answers" ]; }
as_user() { "$@"; }
"""


def test_help_names_every_option() -> None:
    words = install("--help").stdout
    for option in (
        *WITH_VALUE,
        "--yes",
        "--no-model",
        "--worker-only",
        "--check",
        "--upgrade",
        "--uninstall",
        "--purge",
    ):
        assert f"  {option} " in words


def test_an_unknown_option_is_refused() -> None:
    done = install("--app-folder", "/srv/album")
    assert done.returncode == 2
    assert "unknown option --app-folder" in done.stderr
    assert "--help" in done.stderr


@pytest.mark.parametrize("option", WITH_VALUE)
def test_an_option_without_its_value_is_refused(option: str) -> None:
    done = install("--check", option)
    assert done.returncode == 2
    assert f"{option} needs a value" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--app-dir", "album"], "no plain absolute path"),
        (["--app-dir", "/"], "no plain absolute path"),
        (["--app-dir", "/srv"], "no plain absolute path"),
        (["--app-dir", "/srv/my album"], "no plain absolute path"),
        (["--data-dir", "/var"], "no plain absolute path"),
        (["--media-dir", "/srv/a|b"], "no plain absolute path"),
        (["--app-dir", "/srv/album", "--data-dir", "/srv/album/data"], "must not lie in /srv/album"),
        (["--app-dir", "/srv/album", "--media-dir", "/srv/album/media"], "MEDIA_ROOT=/srv/album/media must"),
        (["--app-dir", "/srv/album", "--database-url", "sqlite:////srv/album/db"], "must not lie in /srv/album"),
        (["--user", "root"], "not root"),
        (["--user", "Some One"], "a plain name"),
        (["--domain", "photos example"], "photos.example.org"),
        (["--domain", "https://photos.example.org"], "photos.example.org"),
        (["--listen", "8000"], "0.0.0.0:8000"),
        (["--profile", "pi"], "there are auto, minimal"),
        (["--offline-bundle", "/nowhere/bundle.tar"], "cannot be read"),
        (["--worker-only", "--broker-url", "redis://album:6379/0"], "--database-url and --broker-url"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_in_words(arguments: list[str], words: str) -> None:
    done = install("--check", *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_an_answer_may_come_from_the_environment() -> None:
    assert "--profile toaster" in install("--check", PROFILE="toaster").stderr
    assert "--domain a b" in install("--check", DOMAIN="a b").stderr


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "letter.txt").write_text("mine")
    done = install("--check", "--app-dir", str(tmp_path / "app"), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "was not made by this program" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["app", "letter.txt"]


def test_a_library_is_not_put_among_other_things(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    done = install("--check", "--app-dir", str(tmp_path / "app"), "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "holds other things than an album" in done.stderr


def test_an_installed_library_is_not_moved_by_an_option(tmp_path: Path) -> None:
    (tmp_path / ".answers").write_text("DATA_DIR=/srv/photos/album\nAPP_USER=album\n")
    done = install("--check", "--app-dir", str(tmp_path), "--data-dir", "/srv/other/album")
    assert done.returncode == 2
    assert "the library lies in /srv/photos/album" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "somebody"], "belongs to www-data"),
        (["--worker-only"], "is an album itself"),
        (["--database-url", "postgres://a:b@c/d"], "would begin an empty one"),
    ],
)
def test_an_installed_album_stays_what_it_is(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / ".answers").write_text(f"DATA_DIR={tmp_path}/library\nAPP_USER=www-data\nWORKER_ONLY=\n")
    (tmp_path / ".release").touch()
    done = install("--check", "--app-dir", str(tmp_path), *arguments)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_a_library_that_is_there_gets_no_empty_database(tmp_path: Path) -> None:
    (tmp_path / "photo_album.sqlite3").touch()
    where = ["--app-dir", str(tmp_path / "app"), "--data-dir", str(tmp_path)]
    assert "begin an empty one" in install("--check", *where, "--database-url", "postgres://a:b@c/d").stderr
    (tmp_path / "settings.env").write_text("DATABASE_URL=postgres://a:b@c/d\n")
    assert "begin an empty one" not in install("--check", *where, "--database-url", "postgres://a:b@e/d").stderr


@pytest.mark.parametrize("action", ["--check", "--upgrade", "--uninstall", "--purge"])
@pytest.mark.parametrize("where", ["{}/app/kept", "{}/link/kept", "kept"])
@pytest.mark.parametrize("name", ["MEDIA_ROOT", "BACKUP_DIR", "PHOTO_ALBUM_VAR_DIR"])
def test_no_photo_lies_where_the_program_is_replaced(tmp_path: Path, action: str, where: str, name: str) -> None:
    (tmp_path / "app" / "kept").mkdir(parents=True)
    (tmp_path / "link").symlink_to("app")
    (tmp_path / "app" / ".env").write_text(f"{name}={where.format(tmp_path)}\n")
    (tmp_path / "app" / ".answers").write_text(f"DATA_DIR={tmp_path}/data\n")
    done = install(action, "--yes", "--app-dir", str(tmp_path / "app"))
    assert done.returncode == 2
    assert f"{name}={where.format(tmp_path)} must not lie in {tmp_path}/app" in done.stderr
    assert f"name its new place in {tmp_path}/app/.env" in done.stderr
    assert (tmp_path / "app" / "kept").is_dir()


@pytest.mark.parametrize("name", ["app", "app.new", "app.previous"])
def test_what_the_installer_did_not_make_is_not_removed(tmp_path: Path, name: str) -> None:
    """A checkout may have been moved there, with a library in its var folder."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "letter.txt").write_text("mine")
    there: dict[str, Path | str] = {
        "APP_DIR": tmp_path / "app",
        "PREVIOUS": tmp_path / "app.previous",
        "DATA_DIR": tmp_path / "data",
    }
    run_parts("(uninstall) 2>&1 && exit 1; true", **there, ACTION="purge", YES="yes")
    assert (tmp_path / name / "letter.txt").read_text() == "mine"


def test_settings_are_read_as_the_album_reads_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('MEDIA_ROOT="/mnt/photos"\nMEDIA_ROOT=/mnt/other\nBACKUP_DIR=/mnt/my usb\n')
    assert run_parts("folder_setting MEDIA_ROOT", APP_DIR=tmp_path) == "/mnt/photos"
    words = run_parts("(folder_setting BACKUP_DIR) 2>&1 && exit 1; true", APP_DIR=tmp_path)
    assert "BACKUP_DIR=/mnt/my usb" in words


@needs_root
def test_the_worker_may_write_where_backups_go(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BACKUP_DIR=/mnt/usb/album\n")
    drop_in = tmp_path / "photo-album-celery-worker.service.d" / "60-folders.conf"
    run_parts("write_where_asked", APP_DIR=tmp_path, SYSTEM=tmp_path)
    assert "ReadWritePaths=-/mnt/usb/album" in drop_in.read_text()
    (tmp_path / ".env").write_text("")
    run_parts("write_where_asked", APP_DIR=tmp_path, SYSTEM=tmp_path)
    assert not drop_in.exists()


@needs_root
def test_nothing_is_done_without_root() -> None:
    with TemporaryDirectory() as folder:  # one that others may enter
        copy = Path(folder)
        copy.chmod(0o755)
        shutil.copytree(INSTALLER.parent, copy / "deployment")
        shutil.copytree(REPOSITORY / "scripts", copy / "scripts")
        command = [
            "setpriv",
            "--reuid",
            "65534",
            "--clear-groups",
            "bash",
            str(copy / "deployment" / INSTALLER.name),
        ]
        done = subprocess.run([*command, "--yes"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "this needs root: sudo" in done.stderr


def test_a_file_that_says_so_already_is_not_written_again(tmp_path: Path) -> None:
    owner = f"{os.geteuid()}:{os.getegid()}"
    file = tmp_path / "folder" / "settings"
    lines = "\n".join(f"put 0640 {owner} {file} {text}\necho ${{#changed[@]}}" for text in ("one", "one", "two"))
    assert run_parts(lines).split() == ["1", "1", "2"]
    assert file.read_text() == "two\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["settings"]


def test_a_release_is_known_by_its_program_and_not_by_what_is_compiled(tmp_path: Path) -> None:
    for name in ("album", "photo_album", "deployment", "docs", "scripts", "models_cache"):
        (tmp_path / name).mkdir()
    for name in (
        *(
            ".env.example",
            "LICENSE",
            "README.md",
            "manage.py",
            "models_cache/README.md",
            "pyproject.toml",
            "album/a.py",
        ),
        *("requirements.txt", "requirements-assets.txt", "requirements-torch.txt"),
    ):
        (tmp_path / name).write_text(name)

    def release() -> str:
        return run_parts("release_id", SOURCE=tmp_path, PYTHON=sys.executable)

    first = release()
    (tmp_path / "album" / "django.mo").write_text("compiled")
    assert release() == first
    (tmp_path / "album" / "a.py").write_text("changed")
    assert release() != first


def test_the_database_comes_back_as_it_was_when_it_was_kept(tmp_path: Path) -> None:
    app, data, previous = tmp_path / "app", tmp_path / "data", tmp_path / "app.previous"
    app.mkdir()
    data.mkdir()
    database, log = data / "photo_album.sqlite3", data / "photo_album.sqlite3-wal"
    database.write_bytes(b"before")
    log.write_bytes(b"log before")
    backup = 'manage() { echo "/backups/1: the database and 0 files"; }\n'
    run_parts(backup + "keep_database", APP_DIR=app, DATA_DIR=data, PREVIOUS=previous)
    app.rename(previous)
    database.write_bytes(b"half migrated")
    log.unlink()
    (data / "photo_album.sqlite3-shm").write_bytes(b"of the new one")
    run_parts("return_database", APP_DIR=app, DATA_DIR=data, PREVIOUS=previous)
    assert {path.name: path.read_bytes() for path in data.iterdir()} == {
        database.name: b"before",
        log.name: b"log before",
    }


def test_what_an_interrupted_upgrade_left_is_set_aside(tmp_path: Path) -> None:
    """Somebody may have started the new release by hand and worked with it for months."""
    app, data, previous = tmp_path / "app", tmp_path / "data", tmp_path / "app.previous"
    data.mkdir()
    (data / "photo_album.sqlite3").write_bytes(b"months")
    (previous / ".database").mkdir(parents=True)
    (previous / ".database" / "photo_album.sqlite3").write_bytes(b"before")
    run_parts("was_started=yes\nreturn_database", APP_DIR=app, DATA_DIR=data, PREVIOUS=previous)
    assert (data / "photo_album.sqlite3").read_bytes() == b"before"
    assert (data / "photo_album.sqlite3.interrupted").read_bytes() == b"months"
    run_parts("was_started=yes\nreturn_database", APP_DIR=app, DATA_DIR=data, PREVIOUS=previous)  # cut off again
    assert (data / "photo_album.sqlite3.interrupted").read_bytes() == b"months"


def test_a_database_behind_a_link_comes_back_too(tmp_path: Path) -> None:
    app, previous, disk = tmp_path / "app", tmp_path / "app.previous", tmp_path / "ssd"
    for folder in (app, disk, tmp_path / "data"):
        folder.mkdir()
    link, database = tmp_path / "data" / "photo_album.sqlite3", disk / "album.sqlite3"
    link.symlink_to(database)
    database.write_bytes(b"before")
    there: dict[str, Path | str] = {"APP_DIR": app, "DATA_DIR": tmp_path / "data", "PREVIOUS": previous}
    run_parts('manage() { echo "/backups/1: the database and 0 files"; }\nkeep_database', **there)
    app.rename(previous)
    database.write_bytes(b"half migrated")
    run_parts("return_database", **there)
    assert (database.read_bytes(), link.is_symlink()) == (b"before", True)
    assert [path.name for path in disk.iterdir()] == ["album.sqlite3"]


FULL_DISK = "trap '' XFSZ\nulimit -f 4\n"  # KB


def test_a_copy_of_the_database_that_is_cut_off_is_not_kept(tmp_path: Path) -> None:
    app, database = tmp_path / "app", tmp_path / "data" / "photo_album.sqlite3"
    for folder in (app, database.parent):
        folder.mkdir()
    database.write_bytes(bytes(10_000))
    manage = 'manage() { echo "/backups/1: the database and 0 files"; }\n'
    words = run_parts(
        f"{manage}{FULL_DISK}(keep_database) 2>&1 && exit 1; true", APP_DIR=app, DATA_DIR=database.parent
    )
    assert "Make room there, and run this again" in words
    assert not (app / ".database").exists()


@pytest.mark.parametrize("was_started", ["", "yes"])
def test_the_database_stays_until_the_one_before_lies_beside_it(tmp_path: Path, was_started: str) -> None:
    """No room: what people may have worked with stays; what a migration made that filled the disk goes first."""
    database, previous = tmp_path / "data" / "photo_album.sqlite3", tmp_path / "app.previous"
    database.parent.mkdir()
    database.write_bytes(b"migrated")
    (previous / ".database").mkdir(parents=True)
    (previous / ".database" / database.name).write_bytes(b"before")
    there: dict[str, Path | str] = {
        "APP_DIR": tmp_path / "app",
        "DATA_DIR": database.parent,
        "PREVIOUS": previous,
        "was_started": was_started,
    }
    no_room = f'as_user() {{ [ "$1" != tee ] || [ ! -e {database} ] || {{ : >"$2"; return 1; }}; "$@"; }}\n'
    done = run_parts(no_room + "return_database || echo failed", **there)
    left = (True, b"migrated") if was_started else (False, b"before")
    assert ("failed" in done, database.read_bytes()) == left
    run_parts("return_database", **there)
    assert database.read_bytes() == b"before"
    assert not database.with_name(f"{database.name}.back").exists()


@pytest.mark.parametrize(("verified", "is_rolled_back"), [("app", False), ("app.previous", True), ("", False)])
def test_only_an_upgrade_that_was_not_verified_is_undone(
    tmp_path: Path, verified: str, is_rolled_back: bool
) -> None:
    app, previous = tmp_path / "app", tmp_path / "app.previous"
    app.mkdir()
    previous.mkdir()
    if verified:
        (tmp_path / verified / ".release").touch()
    if verified == "app":
        (previous / ".release").touch()
    words = run_parts(
        "roll_back() { echo back; }\nfinish_interrupted_upgrade", APP_DIR=app, PREVIOUS=previous, APP_USER="root"
    )
    assert ("back" in words.split()) is is_rolled_back
    assert previous.exists() is is_rolled_back


def test_a_database_of_a_server_comes_back_from_the_backup(tmp_path: Path) -> None:
    app, previous = tmp_path / "app", tmp_path / "app.previous"
    app.mkdir()
    there: dict[str, Path | str] = {
        "APP_DIR": app,
        "DATA_DIR": tmp_path / "data",
        "PREVIOUS": previous,
        "DATABASE_URL": "postgres://a:b@c/d",
    }
    run_parts('manage() { echo "/backups/1: the database and 0 files"; }\nkeep_database', **there)
    app.rename(previous)
    words = run_parts('manage() { echo "$APP_DIR" "$@"; }\nreturn_database', **there)
    assert words.split() == [str(previous), "restore", "--force", "--no-progress", "/backups/1"]


@needs_root
def test_settings_are_made_once_and_then_changed_only_where_asked(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "venv" / "bin").mkdir(parents=True)
    (app / "venv" / "bin" / "python").symlink_to(sys.executable)
    there: dict[str, Path | str] = {"APP_DIR": app, "DATA_DIR": tmp_path / "data", "APP_GROUP": "www-data"}
    run_parts("write_settings", **there)
    made = (app / ".env").read_text()
    assert (app / ".env").stat().st_mode & 0o777 == 0o640
    assert len(re.findall(r"^SECRET_KEY=(\S{60,})$", made, re.M)[0]) >= 60
    assert f"PHOTO_ALBUM_VAR_DIR={tmp_path}/data\n" in made
    (app / ".env").write_text(made + "TRASH_DAYS=7\n")
    run_parts("write_settings", **there, DOMAIN="photos.example.org")
    changed = (app / ".env").read_text()
    assert "TRASH_DAYS=7\n" in changed
    assert re.search(r"^ALLOWED_HOSTS=127\.0\.0\.1,localhost,.*,photos\.example\.org$", changed, re.M)
    assert re.findall("^SECRET_KEY=.*", made, re.M) == re.findall("^SECRET_KEY=.*", changed, re.M)
    run_parts("write_settings", **there, DOMAIN="photos.example.org")
    assert (app / ".env").read_text() == changed


@needs_root
def test_settings_of_an_uninstalled_album_name_no_site_that_went_with_it(tmp_path: Path) -> None:
    kept = "SECRET_KEY=x\nALLOWED_HOSTS=127.0.0.1,photos.example.org\n"

    def settings_again(**answers: str) -> str:
        (tmp_path / ".env").unlink(missing_ok=True)
        (tmp_path / "settings.env").write_text(kept + "X_ACCEL_REDIRECT_PREFIX=/files/\nBEHIND_TLS=True\n")
        run_parts("write_settings", APP_DIR=tmp_path, DATA_DIR=tmp_path, APP_GROUP="www-data", **answers)
        return (tmp_path / ".env").read_text()

    assert settings_again() == kept
    assert settings_again(DOMAIN="photos.example.org") == f"{kept}X_ACCEL_REDIRECT_PREFIX=/protected/\n"
    assert settings_again(LISTEN="127.0.0.1:8000") == f"{kept}BEHIND_TLS=True\n", "it is behind Caddy"
