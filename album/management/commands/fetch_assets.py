"""Fetches the front-end libraries that ``album/static/vendor.lock.json`` names into ``album/static/vendor/``.

Each package is checked against the hash that the lock states before a byte of it is unpacked, and of it only the
named files are written. npm fetches them (``npm_config_registry`` names a mirror); where it is not installed, it is
fetched for the time. ``--from FOLDER`` takes packages that ``npm pack NAME@VERSION`` made on another machine.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError

STATIC = Path("album/static")
REQUIREMENTS = "requirements-assets.txt"
NODE = "node"
TIMEOUT_S = 600
"""For all packages, and for npm itself where it is missing: 60 MB."""
PACKAGE_MAX_BYTES = 20_000_000
SOURCE_MAP = re.compile(rb"\n?(?://[#@]|/\*#) sourceMappingURL=\S+(?: \*/)?\s*$")
"""Points to a map for debuggers. The maps are not fetched, and collectstatic would stop where one is missing."""


class AssetsError(AlbumError):
    """A front-end library cannot be fetched, or is not the one that the lock names."""


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of the lock; ``files`` maps names in the package to names below ``vendor/``."""

    name: str
    version: str
    integrity: str
    files: dict[str, str]
    dev: bool = False

    @property
    def entry(self) -> dict[str, Any]:
        """What is remembered of a package that was unpacked."""
        return {"integrity": self.integrity, "files": self.files}

    @property
    def tarball(self) -> str:
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def read_lock(path: Path) -> list[Package]:
    """The packages of the lock; raises AssetsError where a file would be written outside ``vendor/``."""
    packages = [Package(name=name, **entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()]
    for package in packages:
        for target in map(PurePosixPath, package.files.values()):
            if target.is_absolute() or ".." in target.parts or not target.parts:
                raise AssetsError(f"{path.name}: {package.name} would write {target}, which is not below vendor/.")
    return packages


def fetch_assets(static: Path, *, dev: bool, folder: Path | None) -> list[str]:
    """The names of the packages that were fetched: those whose files are not all there as the lock has them.

    Raises AssetsError, with what to do next. What was written before an error stays and is not fetched again.
    """
    vendor = static / "vendor"
    stamp = vendor / "stamp.json"
    known: dict[str, Any] = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() else {}
    missing = [
        package
        for package in read_lock(static / "vendor.lock.json")
        if (dev or not package.dev)
        and not (
            known.get(package.name) == package.entry and all((vendor / f).is_file() for f in package.files.values())
        )
    ]
    with tempfile.TemporaryDirectory() as scratch:
        if missing and folder is None:
            _pack(missing, Path(scratch))
        for package in missing:
            _unpack(package, _read(package, folder or Path(scratch)), vendor)
            known[package.name] = package.entry
            _write(stamp, json.dumps(known, indent=1).encode())
    return [package.name for package in missing]


def _read(package: Package, folder: Path) -> bytes:
    """The tarball, at most PACKAGE_MAX_BYTES of it."""
    path = folder / package.tarball
    try:
        if path.stat().st_size > PACKAGE_MAX_BYTES:
            raise AssetsError(f"{path.name} is larger than {PACKAGE_MAX_BYTES // 1_000_000} MB: not taken.")
        return path.read_bytes()
    except OSError as error:
        raise AssetsError(
            f"{path} cannot be read ({error.strerror}). Next step: on a machine with "
            f"a network, npm pack {package.name}@{package.version}, and bring the file here."
        ) from error


def _pack(packages: list[Package], scratch: Path) -> None:
    """Puts the tarballs into ``scratch``, by npm: it knows registry, mirrors and proxies of the machine."""
    command = [_npm(scratch), "pack", "--loglevel=error", "--ignore-scripts", f"--pack-destination={scratch}"]
    names = [f"{package.name}@{package.version}" for package in packages]
    environment = {**os.environ, "npm_config_cache": str(scratch / "cache"), "npm_config_fetch_retries": "1"}
    environment["PYTHONPATH"] = str(scratch / NODE)
    _run([*command, *names], environment, f"{', '.join(names)} cannot be fetched")


def _npm(scratch: Path) -> str:
    """The program npm; where there is none, one that is fetched for this time only."""
    found = shutil.which("npm")
    if found is None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        wanted = ["--require-hashes", f"--requirement={settings.BASE_DIR / REQUIREMENTS}"]
        _run([*pip, *wanted, f"--target={scratch / NODE}"], dict(os.environ), "npm cannot be fetched")
        found = str(scratch / NODE / "bin" / "npm")
    return found


def _run(command: list[str], environment: dict[str, str], failure: str) -> None:
    try:
        subprocess.run(command, check=True, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        problem = (getattr(error, "stderr", None) or str(error)).strip()[-1000:]
        raise AssetsError(
            f"{failure}: {problem}. Next step: try again when the network is back, name a mirror in "
            "npm_config_registry, or bring the packages and say --from FOLDER."
        ) from error


def _unpack(package: Package, content: bytes, vendor: Path) -> None:
    """Writes the named files of a tarball whose hash is the one of the lock."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.integrity:
        raise AssetsError(
            f"{package.tarball} is not the file of vendor.lock.json: {found} instead of {package.integrity}. "
            "Nothing of it was used. Next step: try again; if it stays so, do not trust its source."
        )
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member, target in package.files.items():
            try:
                file = archive.extractfile(f"package/{member}")
            except KeyError:
                file = None
            if file is None:
                raise AssetsError(f"{package.tarball} has no file {member}: vendor.lock.json does not fit it.")
            _write(vendor / target, SOURCE_MAP.sub(b"\n", file.read()))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


class Command(BaseCommand):
    help = "Fetches the front-end libraries that album/static/vendor.lock.json names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dev", action="store_true", help="also what only the tests need")
        parser.add_argument("--from", dest="folder", type=Path, metavar="FOLDER", help="tarballs made by npm pack")

    def handle(self, *, dev: bool, folder: Path | None, **_: Any) -> None:
        try:
            fetched = fetch_assets(settings.BASE_DIR / STATIC, dev=dev, folder=folder)
        except AssetsError as error:
            raise CommandError(str(error)) from error
        for name in fetched:
            self.stdout.write(f"fetched {name}")
