"""Whole files and parts of files: players ask for parts in order to seek."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from django.http import FileResponse, HttpResponse, HttpResponseBase

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def file_response(file: BinaryIO, wanted: str | None, part: tuple[int, int] | None = None) -> HttpResponseBase:
    """The open file, or the one range that the header value ``wanted`` asks for (RFC 9110, section 14).

    With ``part``, an offset and a size in bytes, those bytes are all that there is of the file. What is not one
    plain range is ignored, as the standard allows; one beyond the end is answered by 416.
    """
    file_size = os.fstat(file.fileno()).st_size
    offset, size = part or (0, file_size)
    size = max(0, min(size, file_size - offset))
    match = _ONE_RANGE.fullmatch(wanted or "")
    if match is None or match[1] == match[2] == "":
        headers = {"Accept-Ranges": "bytes", "Content-Length": str(size)}
        return FileResponse(_Part(file, offset, size) if part else file, headers=headers)
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(size - 1, int(match[2])) if match[1] and match[2] else size - 1
    if start > end:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {start}-{end}/{size}",
        "Content-Length": str(end - start + 1),
    }
    return FileResponse(_Part(file, offset + start, end - start + 1), status=206, headers=headers)


class _Part:
    """The ``count`` bytes of an open file from ``start`` on, as far as ``FileResponse`` wants a file."""

    def __init__(self, file: BinaryIO, start: int, count: int) -> None:
        self._file, self._left = file, count
        self._file.seek(start)
        self.close = file.close

    def read(self, size: int) -> bytes:
        chunk = self._file.read(min(size, self._left))
        self._left -= len(chunk)
        return chunk
