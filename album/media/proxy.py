"""Videos that browsers cannot play, as H.264 and AAC in MP4."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from album.disk import written_whole
from album.exceptions import MediaError
from album.media.frames import first_frame, frame_rotation, hdr_transfer, is_decodable, open_video, upright_size

PROXY_SIDE_PX = 1280

_CLOCK = Fraction(1, 90_000)
_SHORTEST_FRAME = int(_CLOCK.denominator / 62)
"""Of slow motion with 240 frames a second 60 are kept; 59.94 must not lose frames to rounding."""

_KEYFRAME_S = 4
_AUDIO_RATE, _AUDIO_BIT_RATE = 48_000, 128_000
_ENCODER = {"preset": "veryfast", "crf": "23", "profile": "high"}

_BT709, _UNSPECIFIED, _LIMITED_RANGE = 1, 2, 1
"""Source: ITU-T H.273, as FFmpeg numbers the matrix, the primaries and the transfer; the range is FFmpeg's own."""

_TURNS = {0: (), 90: ("transpose=cclock",), 180: ("hflip", "vflip"), 270: ("transpose=clock",)}


def make_proxy(path: Path, target: Path, *, max_side_px: int = PROXY_SIDE_PX, threads: int = 2) -> None:
    """Writes the video at ``path``, upright, with square pixels and usual colors, without metadata, to ``target``.

    Frames keep their times, at most 60 a second. Of a damaged video the readable part is kept. Memory does not grow
    with the length.

    Raises:
        MediaError: no frame can be decoded.
        OSError: ``target`` cannot be written.
    """
    import av

    with open_video(path) as (source, video):
        first = first_frame(source, video)
        if first is None:
            raise MediaError("The video cannot be decoded: no frame is readable. Upload a complete copy.")
        size_px = _even_size(upright_size(first, video), max_side_px)
    with (
        written_whole(target) as part,
        open_video(path, threads=threads) as (source, video),
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as output,
    ):
        _transcode(source, video, _VideoTrack(output, first, size_px, video.guessed_rate, threads))


def _even_size(size_px: tuple[int, int], max_side_px: int) -> tuple[int, int]:
    """Fitted into ``max_side_px``, each side a multiple of 2, which 4:2:0 demands."""
    scale = min(1.0, max_side_px / max(size_px))
    width_px, height_px = (max(2, round(side * scale / 2) * 2) for side in size_px)
    return width_px, height_px


def _transcode(source: Any, video: Any, pictures: _VideoTrack) -> None:
    from av.error import FFmpegError

    audio = next(filter(is_decodable, source.streams.audio), None)
    tracks: dict[int, _VideoTrack | _AudioTrack] = {video.index: pictures}
    if audio is not None:
        tracks[audio.index] = _AudioTrack(pictures.output)
    start_s = Fraction(source.start_time or 0, 1_000_000)
    for packet in _read_packets(source, [video, audio] if audio is not None else [video]):
        frames = []
        with suppress(FFmpegError):  # a damaged packet: the next one may be whole
            frames = packet.decode()
        for frame in frames:
            if frame.pts is not None:
                frame.pts = round((frame.pts * frame.time_base - start_s) / _CLOCK)
                frame.time_base = _CLOCK
                tracks[packet.stream.index].write(frame)
    for track in tracks.values():
        track.finish()
    if not pictures.frame_count:
        raise MediaError("The video cannot be decoded: no frame is readable. Upload a complete copy.")


def _read_packets(source: Any, streams: list[Any]) -> Iterator[Any]:
    """Packets up to the end, or to damage that the demuxer cannot step over; the last ones flush the decoders."""
    from av.error import FFmpegError
    from av.packet import Packet

    try:
        yield from source.demux(streams)
    except FFmpegError:
        for stream in streams:
            flush = Packet()
            flush.stream = stream
            yield flush


class _VideoTrack:
    """Filters and encodes pictures; its filters are made anew where the pictures change their size or format."""

    def __init__(
        self, output: Any, first: Any, size_px: tuple[int, int], rate: Fraction | None, threads: int
    ) -> None:
        self.output = output
        self.frame_count = 0
        self._size_px = size_px
        self._is_hdr = hdr_transfer(first) is not None
        self._shape: tuple[Any, ...] = ()
        self._graph: Any = None
        self._last = -math.inf
        frames_per_s = min(max(rate or Fraction(30), Fraction(1)), Fraction(60))
        self._stream = output.add_stream(
            "libx264", rate=frames_per_s, options={**_ENCODER, "threads": str(threads)}
        )
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = "yuv420p"
        codec = self._stream.codec_context
        codec.time_base = _CLOCK
        codec.gop_size = round(frames_per_s * _KEYFRAME_S)
        codec.color_range = _LIMITED_RANGE
        codec.colorspace = _BT709 if self._is_hdr else first.colorspace or _UNSPECIFIED
        codec.color_primaries = _BT709 if self._is_hdr else first.color_primaries
        codec.color_trc = _BT709 if self._is_hdr else first.color_trc

    def write(self, frame: Any) -> None:
        """Encodes the frame, unless it follows too soon upon the last one."""
        if frame.pts < self._last + _SHORTEST_FRAME or frame.pts < 0:
            return
        self._last = frame.pts
        shape = (frame.width, frame.height, frame.format.name, frame_rotation(frame))
        if shape != self._shape:
            self._shape, self._graph = shape, self._build_graph(frame)
        self._graph.push(frame)
        self._encode_filtered()

    def finish(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._encode_filtered()
        if self.frame_count:
            self.output.mux(self._stream.encode(None))

    def _encode_filtered(self) -> None:
        for frame in _pull_all(self._graph):
            frame.pts = round(frame.pts * frame.time_base / _CLOCK)
            frame.time_base = _CLOCK
            frame.pict_type = 0  # the encoder chooses its keyframes
            self.frame_count += 1
            self.output.mux(self._stream.encode(frame))

    def _build_graph(self, frame: Any) -> Any:
        from av.filter import Graph

        rotation = frame_rotation(frame)
        width_px, height_px = self._size_px[::-1] if rotation % 180 else self._size_px
        scale = f"scale={width_px}:{height_px}:out_range=tv"
        if self._is_hdr:
            scale += ":out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709"
        deinterlace = ("yadif",) if frame.interlaced_frame else ()
        graph = Graph()
        graph.threads = 1
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_CLOCK)
        return _chain(graph, source, (*deinterlace, scale, *_TURNS[rotation], "setsar=1", "format=yuv420p"))


class _AudioTrack:
    """Brings sound to 48 kHz stereo; gaps become silence, so that it stays with the pictures."""

    def __init__(self, output: Any) -> None:
        self._output = output
        self._stream = output.add_stream("aac", rate=_AUDIO_RATE, layout="stereo")
        self._stream.bit_rate = _AUDIO_BIT_RATE
        self._shape: tuple[Any, ...] = ()
        self._graph: Any = None

    def write(self, frame: Any) -> None:
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        if not self._shape:
            self._shape, self._graph = shape, self._build_graph(frame)
        if shape == self._shape:  # damaged streams claim other shapes in between
            self._graph.push(frame)
            self._encode_filtered()

    def finish(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._encode_filtered()
            self._output.mux(self._stream.encode(None))

    def _encode_filtered(self) -> None:
        for frame in _pull_all(self._graph):
            self._output.mux(self._stream.encode(frame))

    def _build_graph(self, frame: Any) -> Any:
        from av.filter import Graph

        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout, time_base=_CLOCK
        )
        wanted = f"aformat=sample_fmts=fltp:channel_layouts=stereo:sample_rates={_AUDIO_RATE}"
        return _chain(graph, source, (f"aresample={_AUDIO_RATE}:async=1:first_pts=0", wanted), sink="abuffersink")


def _chain(graph: Any, source: Any, filters: tuple[str, ...], *, sink: str = "buffersink") -> Any:
    """The configured graph of ``filters``, each as ``name`` or ``name=arguments``."""
    last = source
    for text in (*filters, sink):
        name, _, arguments = text.partition("=")
        following = graph.add(name, arguments or None)
        last.link_to(following)
        last = following
    graph.configure()
    return graph


def _pull_all(graph: Any) -> Iterator[Any]:
    """The frames that are ready."""
    with suppress(BlockingIOError, EOFError):
        while True:
            yield graph.pull()
