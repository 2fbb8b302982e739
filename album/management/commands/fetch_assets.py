"""Fetches the front-end libraries that ``album/static/vendor.lock.json`` names into ``album/static/vendor/``.

Each package is checked against the hash that the lock states before a byte of it is unpacked, and of it only the
named files are written. ``--from FOLDER`` takes packages that ``npm pack NAME@VERSION`` made on another machine.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import tarfile
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError

STATIC = Path("album/static")
REGISTRY = "https://registry.npmjs.org"
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
    def tarball(self) -> str:
        return f"{self.name.rpartition('/')[2]}-{self.version}.tgz"


def read_lock(path: Path) -> list[Package]:
    """The packages of the lock; raises AssetsError where a file would be written outside ``vendor/``."""
    packages = [Package(name=name, **entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()]
    for package in packages:
        for target in map(PurePosixPath, package.files.values()):
            if target.is_absolute() or ".." in target.parts or not target.parts:
                raise AssetsError(f"{path.name}: {package.name} would write {target}, which is not below vendor/.")
    return packages


def fetch_assets(static: Path, *, dev: bool, folder: Path | None, registry: str) -> list[str]:
    """The names of the packages that were fetched: those whose files are not all there as the lock has them.

    Raises AssetsError, with what to do next. What was written before an error stays and is not fetched again.
    """
    lock, vendor = static / "vendor.lock.json", static / "vendor"
    stamp = vendor / "stamp.json"
    known: dict[str, Any] = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() else {}
    fetched = []
    for package in read_lock(lock):
        entry = {"integrity": package.integrity, "files": package.files}
        is_there = known.get(package.name) == entry and all((vendor / f).is_file() for f in package.files.values())
        if is_there or (package.dev and not dev):
            continue
        content = _from_folder(package, folder) if folder else _download(package, registry)
        _unpack(package, content, vendor)
        known[package.name] = entry
        _write(stamp, json.dumps(known, indent=1).encode())
        fetched.append(package.name)
    return fetched


def _from_folder(package: Package, folder: Path) -> bytes:
    try:
        return (folder / package.tarball).read_bytes()
    except OSError as error:
        raise AssetsError(
            f"{folder / package.tarball} cannot be read ({error.strerror}). Next step: on a machine with "
            f"a network, npm pack {package.name}@{package.version}, and bring the file here."
        ) from error


def _download(package: Package, registry: str) -> bytes:
    """The tarball, at most PACKAGE_MAX_BYTES of it."""
    import httpx2

    address = f"{registry.rstrip('/')}/{package.name}/-/{package.tarball}"
    content = bytearray()
    try:
        with httpx2.stream("GET", address, timeout=30, follow_redirects=True) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > PACKAGE_MAX_BYTES:
                    raise AssetsError(f"{address} is larger than {PACKAGE_MAX_BYTES // 1_000_000} MB: not taken.")
    except httpx2.HTTPError as error:
        raise AssetsError(
            f"{package.name} {package.version} cannot be fetched from {address} ({error}). Next step: try again "
            "when the network is back, name a mirror in NPM_REGISTRY, or bring the packages and say --from FOLDER."
        ) from error
    return bytes(content)


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
        registry = os.environ.get("NPM_REGISTRY", REGISTRY)
        try:
            fetched = fetch_assets(settings.BASE_DIR / STATIC, dev=dev, folder=folder, registry=registry)
        except AssetsError as error:
            raise CommandError(str(error)) from error
        for name in fetched:
            self.stdout.write(f"fetched {name}")
