"""The tree of a fresh Debian, from which pip and npm reach their registries as they do on this computer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / "var" / "deployment"
SUITE = "bookworm"  # Raspberry Pi OS and Debian of the oldest Python that the album takes
PACKAGES = "systemd-sysv,dbus,ca-certificates"
CHECKOUT = Path("root/photo_album")
SETTINGS = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy")
"""Variables by which a computer says how the registries are reached from it."""


class NotPossible(Exception):
    """This computer cannot run the machine; the message says why."""


def run(*command: str | Path, timeout: float = 60, **options: object) -> str:
    """The output of a command; raises NotPossible with its words when it fails."""
    done = subprocess.run([*map(str, command)], text=True, capture_output=True, timeout=timeout, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise NotPossible(f"{command[0]} failed ({done.returncode}): {' | '.join(words)}")
    return done.stdout


def base_tree() -> Path:
    """A minimal Debian, made once for a checkout: about 250 MB and a minute."""
    tree = CACHE / SUITE
    if not tree.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = CACHE / f"{SUITE}.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, unfinished, timeout=900)
        unfinished.rename(tree)
    return tree


def make_tree(tree: Path, hostname: str) -> list[Path]:
    """Makes a fresh copy of the base in ``tree``; returns the folders of this computer that it must see."""
    run("cp", "--archive", base_tree(), tree, timeout=300)
    (tree / "etc/hostname").write_text(f"{hostname}\n")
    (tree / "etc/hosts").write_text(f"127.0.0.1 localhost {hostname}\n::1 localhost\n")
    settings = _pip_settings()
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (tree / "etc/pip.conf").write_text("\n".join(["[global]", *lines, ""]))
    named = [*settings.values(), *(os.environ.get(name, "") for name in SETTINGS)]
    paths = {Path(found) for value in named for found in re.findall(r"(?:(?<=\s)|^|(?<=file://))/[^\s]+", value)}
    for path in paths:
        if path.is_file():
            (tree / path.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tree / path.relative_to("/"))
    # The pages of an index in a folder name files beside it.
    return sorted({path.parent if path.name == "simple" else path for path in paths if path.is_dir()})


def _pip_settings() -> dict[str, str]:
    """How pip finds packages on this computer, from its files and its environment."""
    found = {}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if name.startswith(("global.", "install.", ":env:.")) and key in {
            "cert", "index-url", "extra-index-url", "find-links", "trusted-host", "proxy",
        }:  # fmt: skip
            found[key] = value.strip("'\"")
    return found


def copy_checkout(tree: Path) -> None:
    """Puts a clean checkout into the tree: what git tracks, and what is new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True,
    ).stdout  # fmt: skip
    names = b"\0".join(name for name in listed.split(b"\0") if name and (REPOSITORY / os.fsdecode(name)).exists())
    target = tree / CHECKOUT
    target.mkdir(parents=True)
    packed = subprocess.run(
        ["tar", "--create", f"--directory={REPOSITORY}", "--null", "--no-recursion", "--files-from=-"],
        input=names, check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    subprocess.run(["tar", "--extract", f"--directory={target}", "--no-same-owner"], input=packed, check=True)
