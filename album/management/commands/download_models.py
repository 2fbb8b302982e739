"""``manage.py download_models``: the weights that this machine's profile wants, from a hub or a mirror."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError, WeightsCorrupt, WeightsMissing
from album.inference.catalogue import CATALOGUE, Entry, find_entry
from album.inference.downloads import download
from album.inference.hardware import detect_hardware
from album.inference.profiles import PROFILES, choose_profile, downloads_for
from album.inference.weights import require
from album.services.downloads import fetch_weights


class Command(BaseCommand):
    help = (
        "Fetches the weights that this machine's profile wants; resumes, checks, and installs whole or not at all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--profile", choices=PROFILES, help="for this profile instead of the detected one")
        choice.add_argument("--model", action="append", metavar="ID", help="these weights; repeatable")
        parser.add_argument("--list", action="store_true", help="list all known weights and what is installed")
        parser.add_argument("--verify", action="store_true", help="check installed files against their SHA-256")
        parser.add_argument("--force", action="store_true", help="fetch again what is installed")
        parser.add_argument("--accept-licence", action="store_true", help="accept licences that ask for it")
        parser.add_argument("--asked-for", metavar="ID", help=argparse.SUPPRESS)  # by a page: its row is told

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["asked_for"]:
                fetch_weights(options["asked_for"])
                return
            named = [find_entry(name) for name in options["model"] or ()]
            if options["list"]:
                self._list(named)
            elif options["verify"]:
                self._verify(named)
            else:
                self._download(named, options)
        except AlbumError as error:
            raise CommandError(str(error)) from error

    def _list(self, named: list[Entry]) -> None:
        for entry in named or CATALOGUE.values():
            first = f"{entry.id:<28} {entry.task:<11} {entry.runtime:<6} {entry.licence.spdx:<13} {_state(entry)}"
            self.stdout.write(first)
            if entry.repository:
                self.stdout.write(f"  {entry.repository} at {entry.revision}; {entry.licence.url}")
            if entry.note:
                self.stdout.write(f"  {entry.note}")

    def _verify(self, named: list[Entry]) -> None:
        problems = []
        checked = 0
        for entry in named or [entry for entry in CATALOGUE.values() if entry.origin != "repository"]:
            try:
                require(entry, settings.MODELS_CACHE_DIR, verify=True)
            except WeightsMissing:
                if named:
                    raise
            except WeightsCorrupt as error:
                problems.append(str(error))
            else:
                checked += 1
                self.stdout.write(f"{entry.id}: every file is as it was installed")
        if problems:
            raise CommandError("\n".join(problems))
        if not checked:
            self.stdout.write("No weights are installed. Next step: manage.py download_models")

    def _download(self, named: list[Entry], options: dict[str, Any]) -> None:
        problems = []
        for entry in named or self._wanted(options["profile"]):
            try:
                _require_consent(entry, options["accept_licence"])
                folder = download(
                    entry, settings.MODELS_CACHE_DIR, progress=sys.stderr.isatty(), force=options["force"]
                )
            except AlbumError as error:
                problems.append(str(error))
            else:
                self.stdout.write(f"{entry.id} is in {folder} (licence {entry.licence.spdx})")
        if problems:
            raise CommandError("\n".join(problems))

    def _wanted(self, override: str | None) -> list[Entry]:
        hardware = detect_hardware()
        profile, _ = choose_profile(hardware, override or settings.AI_PROFILE)
        wanted = downloads_for(profile, settings.MODELS_CACHE_DIR, hardware.total_bytes)
        names = ", ".join(entry.id for entry in wanted)
        self.stdout.write(f"Profile {profile.name}: {names or 'everything that can be fetched is installed'}.")
        return wanted


def _state(entry: Entry) -> str:
    try:
        require(entry, settings.MODELS_CACHE_DIR)
    except WeightsMissing:
        return f"not installed: {entry.mending_command}"
    except WeightsCorrupt as error:
        return f"DAMAGED: {error}"
    return "comes with the album" if entry.origin == "repository" else "installed"


def _require_consent(entry: Entry, is_accepted: bool) -> None:
    if entry.licence.needs_acceptance and not is_accepted:
        raise AlbumError(
            f"{entry.id} is under {entry.licence.spdx}, which restricts its use. Read {entry.licence.url} and "
            "repeat with --accept-licence if you agree."
        )
