"""One machine with an installed album for all tests of ``test_machine_*.py``; they run one after the other.

They take minutes and need root, so the ordinary run leaves them out: ``.ci/run`` names them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator

import pytest

from tests.deployment.album import Album
from tests.deployment.machine import Machine
from tests.deployment.tree import CACHE, NotPossible, base_tree

collect_ignore_glob = ["test_machine_*.py"]
TOOLS = ("debootstrap", "systemd-nspawn", "slirp4netns", "nsenter", "mkfs.ext4", "ip")


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A fresh Debian with 2 GB of memory; nothing is installed yet."""
    if os.geteuid() != 0:
        pytest.skip("booting a machine needs root")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"booting a machine needs {', '.join(missing)}: apt-get install the packages named in .ci/run")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one machine at a time in a checkout
        try:
            base_tree()
        except NotPossible as reason:
            pytest.skip(f"no fresh Debian: {reason}")
        for left in (CACHE / "machines").glob("*"):
            Machine(left.name).end()
        booted = Machine(f"album-{os.getpid()}", memory_mb=2000)
        try:
            booted.make()
            booted.boot()
            yield booted
        finally:
            booted.end()


@pytest.fixture(scope="session")
def album(machine: Machine) -> Album:
    """The album as its installer left it on the machine."""
    made = Album(machine)
    made.first_install()
    return made
