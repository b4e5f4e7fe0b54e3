"""How a film is encoded: by which codec, in which samples, and how well.

H.264, HEVC and AV1 are for delivery: 4:2:0, at 8 bits or at 10 where the film holds more than 8. ProRes is
for editing: 4:2:2 or 4:4:4 at 10 bits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from av import VideoCodecContext
from av.codec.context import CodecContext, Flags

from haarmony.errors import FilmError
from haarmony.media.files import StrPath
from haarmony.media.film import ANIMATED, Colour, FilmHeader
from haarmony.media.film_colour import encoded
from haarmony.media.opening import named

SEGMENT: Final = 120
"""Frames that are encoded together. Each segment begins with a keyframe and needs no other."""

MUXERS: Final = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}

_HELD: Final = {
    "mp4": ("h264", "hevc", "av1"),
    "mov": ("prores", "h264", "hevc"),
    "matroska": ("h264", "hevc", "av1", "prores"),
    "webm": ("av1",),
}
_ENCODERS: Final = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "prores": "prores_ks"}
_CRF: Final = {"h264": (17, 51), "hevc": (20, 51), "av1": (26, 63)}
_PROFILES: Final = {"proxy": "0", "lt": "1", "standard": "2", "hq": "3", "4444": "4"}
_SPEED: Final = {
    "h264": {"preset": "fast", "x264-params": "mbtree=0"},  # with it, one input gives several outputs
    "hevc": {"preset": "fast", "x265-params": f"log-level=none:open-gop=0:keyint={SEGMENT}"},
    "av1": {"preset": "8"},
    "prores": {"vendor": "apl0"},
}


@dataclass(frozen=True)
class Encoding:
    """All that an encoder is told, so that any two encoders give the same bytes.

    Attributes:
        muxer: FFmpeg's name of the container.
        encoder: FFmpeg's name of the encoder.
        tag: The four letters that players of MP4 know the codec by, where FFmpeg's own are not those.
        pixel_format: Of the samples that are encoded.
        options: Of the encoder.
        width: In samples.
        height: Likewise.
        rate: Frames a second, on average.
        time_base: A tick of the clock, in seconds.
        colour: Of the samples.
        pixel_aspect: Width of a pixel by its height.
    """

    muxer: str
    encoder: str
    tag: str | None
    pixel_format: str
    options: Mapping[str, str]
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    colour: Colour
    pixel_aspect: Fraction

    @property
    def usual(self) -> int:
        """Ticks from one frame to the next, on average."""
        return max(1, round(1 / (self.rate * self.time_base)))

    def ticks(self, seconds: Fraction | None) -> int:
        """Return seconds in ticks; the usual ones of a frame for None."""
        return self.usual if seconds is None else round(seconds / self.time_base)

    def configure(self, context: VideoCodecContext) -> None:
        """Tell an encoder that is not open yet."""
        if self.encoder == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it tells what it does, line by line
        context.width, context.height = self.width, self.height
        context.pix_fmt = self.pixel_format
        context.framerate = self.rate
        context.time_base = self.time_base
        context.sample_aspect_ratio = self.pixel_aspect
        context.colorspace = self.colour.tagged_matrix
        context.color_range = 2 if self.colour.full_range else 1
        context.color_primaries = self.colour.primaries
        context.color_trc = self.colour.transfer
        context.gop_size = SEGMENT
        context.options = dict(self.options)
        context.flags |= Flags.closed_gop | Flags.global_header
        if self.tag:
            context.codec_tag = self.tag

    def context(self) -> VideoCodecContext:
        """Return an encoder for one segment."""
        context = CodecContext.create(self.encoder, "w")
        assert isinstance(context, VideoCodecContext)
        self.configure(context)
        return context


def encoding_for(
    path: StrPath, header: FilmHeader, *, codec: str | None = None, quality: str | None = None
) -> Encoding:
    """Choose how a film is encoded, by the file's name and what the caller asks for.

    Args:
        path: The file to be written.
        header: Of the film.
        codec: h264, hevc, av1 or prores. None: prores for .mov, av1 for .webm, else h264, or hevc where the
            film holds more than 8 bits.
        quality: A CRF for H.264 (default 17), HEVC (20) and AV1 (26), lower being better; for ProRes a
            profile: proxy, lt, standard, hq (the default) or 4444.

    Raises:
        FilmError: The file cannot hold the codec, or the quality is none of the codec's.
    """
    muxer = muxer_for(path)
    if codec is None:
        codec = _HELD[muxer][0]
        if codec == "h264" and header.depth > 8:
            codec = "hevc"
    if codec not in _HELD[muxer]:
        raise FilmError(
            f"{named(path)} is not written with {codec}: choose {' or '.join(_HELD[muxer])}, "
            "or another extension"
        )
    options = dict(_SPEED[codec])
    colour = encoded(header.colour)
    if codec == "prores":
        options["profile"] = _profile(quality)
        colour = replace(
            colour, full_range=False
        )  # it has no flag for the range, so players take it for limited
        pixel_format = "yuv444p10le" if quality == "4444" else "yuv422p10le"
    else:
        options["crf"] = _crf(codec, quality)
        is_odd = header.width % 2 or header.height % 2
        sampling = "444" if is_odd and codec != "av1" else "420"  # 4:2:0 of H.264 and HEVC is even
        pixel_format = f"yuv{sampling}p" + ("10le" if header.depth > 8 else "")
    return Encoding(
        muxer=muxer,
        encoder=_ENCODERS[codec],
        tag="hvc1" if codec == "hevc" and muxer in ("mp4", "mov") else None,
        pixel_format=pixel_format,
        options=options,
        width=header.width,
        height=header.height,
        rate=header.average_rate.limit_denominator(1 << 16),
        time_base=Fraction(1, header.time_base.denominator),
        colour=colour,
        pixel_aspect=header.pixel_aspect,
    )


def muxer_for(path: StrPath) -> str:
    """Return FFmpeg's name of the container that a file name asks for.

    Raises:
        FilmError: The extension is unknown.
    """
    extension = Path(path).suffix.lower()
    if extension not in MUXERS:
        raise FilmError(
            f"{named(path)} cannot be written as {extension or 'a file without extension'}: end the name in "
            f"one of {' '.join([*MUXERS, *ANIMATED])}, or in a slash for a folder of pictures"
        )
    return MUXERS[extension]


def _crf(codec: str, quality: str | None) -> str:
    usual, worst = _CRF[codec]
    try:
        value = usual if quality is None else int(quality)
    except ValueError:
        value = -1
    if not 0 <= value <= worst:
        raise FilmError(
            f"the quality of {codec} is a CRF from 0 to {worst} ({usual} is usual), got {quality!r}"
        )
    return str(value)


def _profile(quality: str | None) -> str:
    if quality is not None and quality not in _PROFILES:
        raise FilmError(f"the quality of prores is one of {', '.join(_PROFILES)}, got {quality!r}")
    return _PROFILES[quality or "hq"]
