"""The colours of a film: YCbCr samples to RGB and back, with matrix and range always given.

swscale assumes BT.601 and limited range wherever it is not told, so nothing here leaves it to guess.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any, Final, Literal

import numpy as np
from av import VideoFrame
from av.filter import Graph
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from haarmony.errors import FilmError
from haarmony.media.film import Colour

RGB: Final = 0
_BT709: Final = 1
UNSAID: Final = 2
_BT601: Final = 6
_PQ: Final = 16
_HLG: Final = 18
_LIMITED: Final = 1
_FULL: Final = 2

# H.273's numbers of matrices, as swscale calls them.
_SWSCALE_MATRIX: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}

# Without these flags, chroma is repeated instead of interpolated, and luma comes back a level off on average.
# With them, 4:2:0 to packed RGB of 16 bits comes out wrong (FFmpeg 8.1): planes are asked for.
_CAREFUL: Final = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
_WHITE: Final = 0xFF00
"""What swscale takes for white in RGB of 16 bits, and gives for it where the range is limited; where it is
full, samples are shifted to 16 bits."""
_HIGH_DEFINITION: Final = 720


def colour_of(frame: VideoFrame, name: str) -> Colour:
    """How a decoded frame means its samples. An unsaid matrix is BT.709 from 720 rows on, else BT.601.

    Raises:
        FilmError: It is HDR (PQ or HLG), or of a matrix that is not a plain one.
    """
    if frame.color_trc in (_PQ, _HLG):
        raise FilmError(
            f"{name} is HDR ({'PQ' if frame.color_trc == _PQ else 'HLG'}), which is not supported: "
            "convert it to SDR (BT.709) first"
        )
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    said = RGB if is_rgb else frame.colorspace
    matrix = said
    if said == UNSAID or (said == RGB and not is_rgb):
        matrix = _BT709 if frame.height >= _HIGH_DEFINITION else _BT601
    if matrix != RGB and matrix not in _SWSCALE_MATRIX:
        raise FilmError(
            f"{name} has a colour matrix that is not supported (H.273's {matrix}): convert it to BT.709"
        )
    full = is_rgb or frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    return Colour(matrix, full, frame.color_primaries, frame.color_trc, said)


def depth_of(frame: VideoFrame) -> Literal[8, 16]:
    """Bits of the samples that a frame is delivered with: 16 where the file holds more than 8."""
    return 16 if max(component.bits for component in frame.format.components) > 8 else 8


class Converter:
    """Turns frames to RGB arrays and back. It holds swscale's tables, so each thread needs its own."""

    def __init__(self, colour: Colour) -> None:
        self._colour = colour
        self._to_rgb = VideoReformatter()
        self._from_rgb = VideoReformatter()
        self._sited: Graph | None = None

    def to_rgb(self, frame: VideoFrame, depth: int) -> NDArray[Any]:
        """``(height, width, 3)``, uint8 or uint16, full range."""
        matrix = _SWSCALE_MATRIX.get(self._colour.matrix)
        rgb = self._to_rgb.reformat(
            frame,
            format="gbrp" if depth == 8 else _native("gbrp16"),
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL if self._colour.full_range else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_CAREFUL,
        )
        pixels = np.asarray(rgb.to_ndarray())
        if depth == 8:
            return pixels
        bits = max(component.bits for component in frame.format.components)
        white = ((1 << bits) - 1) << (16 - bits) if self._colour.full_range else _WHITE
        return _scaled(pixels, 65535 / white)

    def from_rgb(self, pixels: NDArray[Any], pixel_format: str) -> VideoFrame:
        """A frame of the encoder's format, tagged as the film's own are."""
        colour = self._colour
        if pixels.dtype == np.uint8:
            rgb = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        else:
            rgb = VideoFrame.from_ndarray(_scaled(pixels, _WHITE / 65535), format=_native("rgb48"))
        matrix = _SWSCALE_MATRIX[colour.matrix]
        frame = self._from_rgb.reformat(
            self._with_site(rgb),
            format=f"yuv{pixel_format[3:6]}p16le" if colour.full_range else pixel_format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL,
            dst_color_range=_FULL if colour.full_range else _LIMITED,
            interpolation=_CAREFUL,
        )
        if colour.full_range:
            frame = _rounded(frame, pixel_format)
        frame.colorspace = colour.tagged_matrix
        frame.color_range = _FULL if colour.full_range else _LIMITED
        frame.color_primaries = colour.primaries
        frame.color_trc = colour.transfer
        return frame

    def _with_site(self, rgb: VideoFrame) -> VideoFrame:
        """Say that chroma is to lie on the left, as it does in H.264, HEVC, AV1 and ProRes.

        A frame that is read says where its own lies. One made from an array would get it between two columns,
        and its colours would move by half a pixel.
        """
        if self._sited is None:
            self._sited = Graph()
            self._sited.link_nodes(
                self._sited.add_buffer(
                    width=rgb.width, height=rgb.height, format=rgb.format, time_base=Fraction(1)
                ),
                self._sited.add("setparams", "chroma_location=left"),
                self._sited.add("buffersink"),
            ).configure()
        self._sited.vpush(rgb)
        return self._sited.vpull()


def encoded(colour: Colour) -> Colour:
    """The colour that a film is encoded with: its own; BT.709 of limited range where it holds RGB."""
    if colour.matrix != RGB:
        return colour
    return Colour(_BT709, False, _BT709, _BT709, _BT709)


def _rounded(deep: VideoFrame, pixel_format: str) -> VideoFrame:
    """A frame of 16 bits and full range at fewer bits; swscale would cut the chroma off instead."""
    frame = VideoFrame(deep.width, deep.height, pixel_format)
    bits = frame.format.components[0].bits
    scale = ((1 << bits) - 1) / 65535
    dtype = np.dtype(np.uint8 if bits == 8 else "<u2")
    for number, (plane, source) in enumerate(zip(frame.planes, deep.planes, strict=True)):
        zero = 0 if number == 0 else 1 << 15
        values = np.round((np.arange(1 << 16) - zero) * scale) + (zero >> (16 - bits))
        samples = _samples(source, np.dtype("<u2"))
        _samples(plane, dtype)[:] = np.take(values.clip(0, (1 << bits) - 1).astype(dtype), samples)
    return frame


def _samples(plane: VideoPlane, dtype: np.dtype[Any]) -> NDArray[Any]:
    rows = np.asarray(memoryview(plane)).reshape(plane.height, plane.line_size)
    samples: NDArray[Any] = rows[:, : plane.width * dtype.itemsize].view(dtype)
    return samples


def _scaled(pixels: NDArray[Any], factor: float) -> NDArray[np.uint16]:
    table = np.minimum(np.arange(1 << 16) * factor + 0.5, 65535).astype(np.uint16)
    return np.take(table, pixels)


def _native(pixel_format: str) -> str:
    return pixel_format + ("le" if sys.byteorder == "little" else "be")
