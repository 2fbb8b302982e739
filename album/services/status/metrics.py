"""The figures of the status in the text that Prometheus reads.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable

from album.services.status.line import STATES, Figure, Line

PREFIX = "photo_album_"


def write_metrics(lines: Iterable[Line]) -> str:
    """Gauges, each name once with all of its labels; ``photo_album_state`` is 0 ok, 1 warning, 2 problem."""
    by_name: dict[str, list[Figure]] = {}
    for line in lines:
        state = Figure("state", STATES.index(line.state), (("check", line.name),))
        for figure in (state, *line.figures):
            by_name.setdefault(figure.name, []).append(figure)
    text = []
    for name, figures in sorted(by_name.items()):
        text.append(f"# TYPE {PREFIX}{name} gauge")
        text += [f"{PREFIX}{name}{_labels(figure)} {figure.value:.17g}" for figure in figures]
    return "\n".join(text) + "\n"


def _labels(figure: Figure) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in figure.labels]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
