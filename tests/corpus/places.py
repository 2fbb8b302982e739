"""Where the real photos and weights are that checks may use; they are no part of this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CORPUS = SHARED / "corpus"
MODELS = SHARED / "models"


def need(*paths: Path) -> None:
    """Skips the test, naming the first path that is missing."""
    for path in paths:
        if not path.exists():
            pytest.skip(f"needs {path.name} beside the repository, in ../shared")
