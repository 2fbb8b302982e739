"""A real Debian machine with systemd, booted from a folder by systemd-nspawn, with a network of its own.

It is driven from outside: commands, reboots, crashes, power cuts of its data volume, a limit of its memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.deployment.tree import CACHE, SETTINGS, NotPossible, make_tree, run

DATA = "/var/lib/photo-album"
DROPPED = "-sys_time,-sys_module,-sys_boot"
"""nsenter ignores nspawn's limits: without this a command inside could set the clock of this computer."""
REBOOT = 133
"""How systemd-nspawn ends when the machine asked for a reboot. Source: --keep-unit in systemd-nspawn(1)."""
CLONE_NEWNET = 0x40000000
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""Nothing that is not yet on the disk gets there. Source: fs/ext4/ext4.h, EXT4_GOING_FLAGS_NOLOGFLUSH."""
DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class CommandFailed(AssertionError):
    """A command in the machine ended with an error."""


class Machine:
    """One machine below ``var/deployment/machines``; ``end`` takes everything of it away."""

    def __init__(self, name: str, *, memory_mb: int | None = None) -> None:
        self.name, self.memory_mb = name, memory_mb
        self.folder = CACHE / "machines" / name
        self.tree, self.data, self.image = self.folder / "tree", self.folder / "data", self.folder / "data.img"
        self.console = self.folder / "console.log"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._slirp: subprocess.Popen[bytes] | None = None
        self._seen: list[Path] = []

    def make(self, *, data_mb: int = 3000) -> None:
        """A fresh Debian, with a volume of its own for the data, and a network; not yet booted."""
        self.folder.mkdir(parents=True)
        self._seen = make_tree(self.tree, self.name)
        (self.tree / "etc/resolv.conf").unlink(missing_ok=True)
        (self.tree / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")  # slirp4netns answers there
        with self.image.open("wb") as image:
            image.truncate(data_mb * 1_000_000)
        at_once = "lazy_itable_init=0,lazy_journal_init=0"  # not later, in the background
        run("mkfs.ext4", "-q", "-F", "-E", at_once, self.image, timeout=300)
        self.data.mkdir()
        self._mount()
        self._connect()

    # Power

    def boot(self) -> None:
        """Returns when everything that is enabled has been started."""
        binds = [f"--bind-ro={path}" for path in self._seen] + [f"--bind={self.data}:{DATA}"]
        for cache, place in (("apt", "/var/cache/apt/archives"), ("pip", "/root/.cache/pip")):
            (CACHE / cache / "partial").mkdir(parents=True, exist_ok=True)
            binds.append(f"--bind={CACHE / cache}:{place}")
        nspawn = ["systemd-nspawn", "--quiet", f"--directory={self.tree}", f"--machine={self.name}", "--boot"]
        nspawn += ["--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off"]
        nspawn += [f"--network-namespace-path=/run/netns/{self.name}", *binds]
        enter = 'for group in $0; do echo $$ >"$group/cgroup.procs"; done; exec "$@"'
        groups = " ".join(map(str, self._groups()))
        with self.console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                ["sh", "-c", enter, groups, *DIE_WITH_US, *nspawn],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        self._wait_for_systemd()

    def reboot(self) -> None:
        self._ask("systemctl", "reboot")
        assert self._nspawn is not None
        assert self._nspawn.wait(120) == REBOOT, self.console_tail()
        self.boot()

    def off(self) -> None:
        """Shuts the machine down in order."""
        self._ask("systemctl", "poweroff")
        assert self._nspawn is not None
        assert self._nspawn.wait(120) == 0, self.console_tail()

    def crash(self) -> None:
        """The machine stops at once; what it gave to the disk's cache is still written."""
        wait_until(self._killed, 30, "the machine is dead")
        if self._nspawn is not None:
            self._nspawn.wait(30)

    def cut_power(self) -> None:
        """Crashes, and loses what had not been written through to the data volume. ``boot`` starts it again."""
        volume = os.open(self.data, os.O_RDONLY)
        fcntl.ioctl(volume, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(volume)
        self.crash()
        self._unmount()
        self._mount()

    def end(self) -> None:
        """Takes the machine, its network and its volume away, also what a run that was killed left of it."""
        self.crash()
        self._unmount()
        if self._slirp is not None:
            self._slirp.kill()
            self._slirp.communicate(timeout=30)
        if Path(f"/run/netns/{self.name}").exists():
            run("ip", "netns", "delete", self.name)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        for group in self._groups(make=False):
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()

    # Commands

    def run(self, command: str, *, timeout: float = 60, env: dict[str, str] | None = None) -> tuple[int, str]:
        """The status and output of a line of bash, run as root by the machine's systemd."""
        stated = {name: os.environ[name] for name in SETTINGS if name in os.environ} | (env or {})
        settings = [f"--setenv={name}={value}" for name, value in {"HOME": "/root", **stated}.items()]
        unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec", *settings]
        done = self._ask(*unit, "/bin/bash", "-c", command, timeout=timeout)
        return done.returncode, done.stdout

    def out(self, command: str, *, timeout: float = 60, env: dict[str, str] | None = None) -> str:
        """The output, without the last line break; raises CommandFailed."""
        status, output = self.run(command, timeout=timeout, env=env)
        if status:
            raise CommandFailed(f"{command}: ended with {status}\n{output[-6000:]}")
        return output.rstrip("\n")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.out(f"systemctl show --property={name} --value {unit}")

    def path(self, inside: str) -> Path:
        """Where a file of the machine lies on this computer."""
        if inside.startswith(DATA):
            return self.data / Path(inside).relative_to(DATA)
        return self.tree / inside.lstrip("/")

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Sockets that this thread opens meanwhile are in the machine's network: its 127.0.0.1 is ours."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as ours, Path("/run/netns", self.name).open() as theirs:
            assert libc.setns(theirs.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(ours.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def memory_peak_mb(self) -> float:
        """The most memory that the machine has used since it was made, its caches of files included."""
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            for group in self._groups(make=False):
                if (group / name).exists():
                    return int((group / name).read_text()) / 1e6
        raise NotPossible("the kernel does not count memory here")

    def killed_for_memory(self) -> int:
        """How many processes the kernel has ended because the machine, or a unit of it, had no memory left."""
        memory = self._groups(make=False)[0]
        files = [path for name in ("memory.oom_control", "memory.events") for path in memory.rglob(name)]
        return sum(int(count) for path in files for count in re.findall(r"^oom_kill (\d+)", path.read_text(), re.M))

    def sectors_written(self) -> int:
        """How much was written to the data volume. Source: Documentation/block/stat.rst, the seventh number."""
        os.sync()
        device = run("findmnt", "--noheadings", "--output=SOURCE", self.data).strip()
        return int(Path("/sys/block", Path(device).name, "stat").read_text().split()[6])

    def console_tail(self) -> str:
        return self.console.read_text(errors="replace")[-3000:]

    def leader(self) -> int | None:
        """The process that is the machine's init, as this computer counts; None before it is there."""
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise NotPossible(f"the machine has ended ({self._nspawn.returncode}): {self.console_tail()}")
        pid, ours = self._nspawn.pid, Path("/proc/self/ns/pid").readlink()
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/ns/pid").readlink() != ours:  # else nsenter would enter this computer
                return int(child)
        return None

    # Parts

    def _ask(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        enter = ["nsenter", f"--target={self.leader()}", *namespaces, "--", "/usr/bin/env", "--ignore-environment"]
        enter += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        enter += ["setpriv", f"--bounding-set={DROPPED}", f"--inh-caps={DROPPED}", "--"]
        return subprocess.run(
            [*enter, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout, check=False,
        )  # fmt: skip

    def _wait_for_systemd(self) -> None:
        def state() -> str:
            return self._ask("systemctl", "is-system-running").stdout.strip() if self.leader() else "no init"

        wait_until(lambda: state() in {"running", "degraded"}, 120, lambda: f"boot: {self.console_tail()}")
        if not _unified():
            # The old hierarchies are read-only inside, so no limit of a unit would hold.
            for controller in ("memory", "pids", "cpu", "cpuacct", "blkio"):
                place = f"/sys/fs/cgroup/{controller}"
                run(
                    "nsenter", f"--target={self.leader()}", "--mount", "--", "mount", "-o", "remount,bind,rw", place
                )
            self._ask("systemctl", "daemon-reexec")
            wait_until(lambda: state() in {"running", "degraded"}, 30, "systemd is back")

    def _groups(self, make: bool = True) -> list[Path]:
        """The control groups of the whole machine, with its limit of memory."""
        if _unified():
            folders = [Path("/sys/fs/cgroup") / self.name]
        else:
            lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
            own = {name: path for _, names, path in lines for name in names.split(",")}
            folders = [Path(f"/sys/fs/cgroup/{c}{own[c]}") / self.name for c in ("memory", "pids", "cpu")]
        if not make:
            return [folder for folder in folders if folder.exists()]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        if self.memory_mb:
            limit = folders[0] / ("memory.max" if _unified() else "memory.limit_in_bytes")
            limit.write_text(str(self.memory_mb * 1_000_000))
        return folders

    def _killed(self) -> bool:
        """Kills all processes of the machine, nspawn included; whether there were none left."""
        files = [
            Path(folder) / "cgroup.procs" for group in self._groups(make=False) for folder, _, _ in os.walk(group)
        ]
        left = {int(pid) for file in files for pid in file.read_text().split()}
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def _connect(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        ready, told = os.pipe()
        arguments = ["--configure", "--mtu=65520", "--disable-host-loopback", f"--ready-fd={told}"]
        place = f"/run/netns/{self.name}"
        self._slirp = subprocess.Popen(
            [*DIE_WITH_US, "slirp4netns", *arguments, "--netns-type=path", place, "tap0"],
            pass_fds=[told], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(told)
        with os.fdopen(ready, "rb") as answer:
            if answer.read(1) != b"1":
                raise NotPossible(
                    f"slirp4netns gives the machine no network: {self._slirp.communicate()[1].decode()}"
                )

    def _mount(self) -> None:
        run("mount", "-o", "loop", self.image, self.data)

    def _unmount(self) -> None:
        if self.data.is_mount():
            wait_until(lambda: os.system(f"umount {self.data} 2>/dev/null") == 0, 30, "the data volume is free")


def _unified() -> bool:
    """Whether this computer has control groups of the second version only."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def wait_until(condition: Callable[[], Any], seconds: float, what: str | Callable[[], str]) -> float:
    """How long it took until the condition held; fails the test after ``seconds``."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition():
            return time.monotonic() - started
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
