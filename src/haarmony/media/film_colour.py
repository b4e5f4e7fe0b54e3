"""The colours of a film: YCbCr samples to RGB and back, with matrix and range always given.

swscale assumes BT.601 and limited range wherever it is not told, so nothing here leaves it to guess.
"""

from __future__ import annotations

import sys
from typing import Any, Final, Literal

import numpy as np
from av import VideoFrame
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
        self._reformatter = VideoReformatter()

    def to_rgb(self, frame: VideoFrame, depth: int) -> NDArray[Any]:
        """``(height, width, 3)``, uint8 or uint16, full range."""
        matrix = _SWSCALE_MATRIX.get(self._colour.matrix)
        rgb = self._reformatter.reformat(
            frame,
            format="gbrp" if depth == 8 else _native("gbrp16"),
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL if self._colour.full_range else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_CAREFUL,
        )
        return np.asarray(rgb.to_ndarray())

    def from_rgb(self, pixels: NDArray[Any], pixel_format: str) -> VideoFrame:
        """A frame of the encoder's format, tagged as the film's own are."""
        colour = self._colour
        rgb = VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), format="rgb24" if pixels.dtype == np.uint8 else _native("rgb48")
        )
        matrix = _SWSCALE_MATRIX[colour.matrix]
        frame = self._reformatter.reformat(
            rgb,
            format=pixel_format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=_FULL,
            dst_color_range=_FULL if colour.full_range else _LIMITED,
            interpolation=_CAREFUL,
        )
        frame.colorspace = colour.tagged_matrix
        frame.color_range = _FULL if colour.full_range else _LIMITED
        frame.color_primaries = colour.primaries
        frame.color_trc = colour.transfer
        return frame


def encoded(colour: Colour) -> Colour:
    """The colour that a film is encoded with: its own; BT.709 of limited range where it holds RGB."""
    if colour.matrix != RGB:
        return colour
    return Colour(_BT709, False, _BT709, _BT709, _BT709)


def _native(pixel_format: str) -> str:
    return pixel_format + ("le" if sys.byteorder == "little" else "be")
