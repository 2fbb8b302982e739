"""What comes back from a child: plain values and the few classes named here. Its bytes can call nothing else."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Sequence
from typing import Any

CLASSES = {
    "album.exceptions": {"AlbumError", "MediaError", "UnsupportedMedia", "StorageError", "StorageFull"},
    "album.media.answers": {"Pixels"},
    "album.media.facts": {"EmbeddedClip", "FileFacts", "Place"},
    "album.media.frames": {"VideoFrame"},
    "album.media.inspection": {"Inspection"},
    "album.media.renditions": {"Rendered"},
    "album.media.sandbox": {"DecoderFailed", "StorageAway"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
}
"""By module. Only classes, each by its exact name: a pickle may call what it names."""


class Pixels:
    """An array on its way: called with shape and bytes it returns the ``uint8`` array."""

    def __new__(cls, shape: Sequence[int], data: bytearray) -> Any:
        import numpy as np

        return np.frombuffer(data, np.uint8).reshape(shape)


def pack_answer(answer: tuple[bool, object]) -> bytes:
    """Whether a call succeeded, and what it returned or raised, as bytes."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    if (numpy := sys.modules.get("numpy")) is not None:
        pickler.dispatch_table = {numpy.ndarray: _reduce_pixels}
    pickler.dump(answer)
    return file.getvalue()


def _reduce_pixels(array: Any) -> tuple[Any, ...]:
    import numpy as np

    if array.dtype != np.uint8:
        raise TypeError(f"only pixels can be answered, not an array of {array.dtype}")
    return Pixels, (array.shape, bytearray(np.ascontiguousarray(array)))


def unpack_answer(message: bytes | bytearray) -> tuple[bool, Any]:
    """The answer that was packed.

    Raises:
        pickle.UnpicklingError: these bytes are none.
    """
    try:
        is_good, value = _Unpickler(io.BytesIO(message)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # the wall: a child that a file has broken may send anything
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
    if is_good is not True and not isinstance(value, Exception):
        raise pickle.UnpicklingError("neither a value nor an error")
    return is_good, value


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in CLASSES.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is part of no answer")
        return super().find_class(module, name)
