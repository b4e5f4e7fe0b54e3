import numpy as np
import pytest

av = pytest.importorskip("av")

from haarmony.errors import FilmError  # noqa: E402
from haarmony.media.film import Colour  # noqa: E402
from haarmony.media.film_colour import Converter, colour_of  # noqa: E402

LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


def coded(rgb, matrix, *, full, bits):
    """ITU-T H.273, equations 38 to 47 and the quantisation of each range: the planes of an RGB picture."""
    kr, kb = LUMA[matrix]
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    planes = luma, (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    step, top = 1 << (bits - 8), (1 << bits) - 1
    if full:
        values = planes[0] * top, planes[1] * top + 128 * step, planes[2] * top + 128 * step
    else:
        values = (
            (16 + 219 * planes[0]) * step,
            (128 + 224 * planes[1]) * step,
            (128 + 224 * planes[2]) * step,
        )
    return [np.round(plane).clip(0, top).astype(np.uint8 if bits == 8 else np.uint16) for plane in values]


def rows(plane, dtype):
    size = np.dtype(dtype).itemsize
    return (
        np.frombuffer(plane, np.uint8)
        .reshape(plane.height, plane.line_size)[:, : plane.width * size]
        .view(dtype)
    )


def frame_of(planes):
    dtype = planes[0].dtype
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv444p" if dtype == np.uint8 else "yuv444p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        size = dtype.itemsize
        target = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        target[:, : width * size] = np.ascontiguousarray(values).view(np.uint8)
    return frame


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", sorted(LUMA))
def test_it_agrees_with_the_standard_both_ways(matrix, full, bits):
    rgb = np.random.default_rng(0).random((48, 64, 3))
    planes = coded(rgb, matrix, full=full, bits=bits)
    converter = Converter(Colour(matrix, full))
    pixels = converter.to_rgb(frame_of(planes), 8 if bits == 8 else 16)
    white = 255 if bits == 8 else 65535
    levels = (1 << bits) - 1
    assert np.abs(pixels / white - rgb).mean() * levels < 0.8
    assert abs((pixels / white - rgb).mean()) * levels < 0.25
    back = converter.from_rgb(pixels, "yuv444p" if bits == 8 else "yuv444p10le")
    for plane, values in zip(back.planes, planes, strict=True):
        change = rows(plane, values.dtype).astype(int) - values
        assert np.abs(change).max() <= 1


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
def test_black_and_white_are_the_ends_of_the_scale(full, bits):
    grey = np.repeat(np.linspace(0, 1, 64)[None, :, None], 48, 0).repeat(3, 2)
    planes = coded(grey, 1, full=full, bits=bits)
    pixels = Converter(Colour(1, full)).to_rgb(frame_of(planes), 8 if bits == 8 else 16)
    assert (pixels[:, 0] == 0).all()
    assert (pixels[:, -1] >= (255 if bits == 8 else 65500)).all()


@pytest.mark.parametrize(("height", "matrix"), [(719, 6), (720, 1), (1080, 1)])
def test_an_unsaid_matrix_is_told_by_the_size(height, matrix):
    frame = av.VideoFrame(64, height, "yuv444p")
    assert colour_of(frame, "film").matrix == matrix
    assert colour_of(frame, "film").tagged_matrix == 2


def test_a_matrix_that_is_not_known_is_refused():
    frame = av.VideoFrame(64, 64, "yuv420p")
    frame.colorspace = 14  # ICtCp
    with pytest.raises(FilmError, match="colour matrix"):
        colour_of(frame, "film")
