"""Label masks: which region of the content takes the look of which region of the style.

A mask names its regions and says where they lie. Regions of two masks belong together when their names agree:

- a **palette** image (PNG, GIF) names a region by index and palette colour, "1 (#800000)";
- a **colour-coded** image names it by its colour, "red" or "#804080";
- a **grey** image is soft: the weight of "white", and one minus it that of "black"; one that holds only those
  two values pairs with a colour-coded one.

Painted masks have soft edges and compression noise, so a colour-coded mask is first read against the nine
codes that published mask sets use: nearly all of its pixels must lie within 8 levels of a code, and no other
colour may fill more than :data:`LEAST_REGION`. A code that fills less than that is taken for the blend of two
others at an edge. (The bounds come from the masks of the deep photo style transfer set, Luan et al. 2017; the
tests hold them to it.) A mask of other colours must be flat.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps

from haarmony.errors import ImageError, InputError
from haarmony.media.files import StrPath
from haarmony.media.opening import MAX_PIXELS, named, open_pillow, opened

CODES: Final = {
    "black": 0x000000,
    "blue": 0x0000FF,
    "green": 0x00FF00,
    "light blue": 0x00FFFF,
    "grey": 0x808080,
    "red": 0xFF0000,
    "purple": 0xFF00FF,
    "yellow": 0xFFFF00,
    "white": 0xFFFFFF,
}
"""The nine colours of published mask sets, as 0xRRGGBB."""

LEAST_REGION: Final = 1 / 500
"""The least share of a mask with soft edges that a colour fills if it is a region and no blend at an edge."""

_NOISE: Final = 8
_MOST_BLENDED: Final = 0.03
_MOST_COLOURS: Final = 64
_SUM_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Mask:
    """Regions of a picture.

    Attributes:
        names: The regions' names, in the order of their labels.
        values: ``(height, width)`` int64 labels, indices into ``names``; or, for a soft mask,
            ``(len(names), height, width)`` float32 weights in [0, 1] that sum to one at every pixel.
    """

    names: tuple[str, ...]
    values: NDArray[np.int64] | NDArray[np.float32]

    @property
    def is_soft(self) -> bool:
        """Whether ``values`` are weights rather than labels."""
        return self.values.ndim == 3

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[-2], self.values.shape[-1]


def read_mask(path: StrPath, *, size: tuple[int, int] | None = None) -> Mask:
    """Read a mask file: a palette, colour-coded or grey image. EXIF orientation is applied.

    Args:
        path: The file.
        size: Height and width of the picture that the mask belongs to; None to take any.

    Raises:
        ImageError: The file cannot be read, is no mask, or has another size than the picture.
    """
    with opened(path) as file:
        image = open_pillow(file, path, max_pixels=MAX_PIXELS)
        upright = ImageOps.exif_transpose(image)
        _check_size(named(path), (upright.height, upright.width), size)
        return mask_of(upright, named(path))


def as_mask(array: ArrayLike, *, size: tuple[int, int] | None = None) -> Mask:
    """Return labels or weights as a mask whose regions are named "0", "1", ...

    Args:
        array: ``(height, width)`` booleans or non-negative integers: labels, each its own name. Or floats in
            [0, 1]: ``(height, width)``, the weight of "1" over "0"; or ``(labels, height, width)``, the
            weights of all labels, which sum to one at every pixel.
        size: Height and width of the picture that the mask belongs to; None to take any.

    Raises:
        InputError: The shape, kind or range is another.
    """
    values = np.asarray(array)
    if values.size == 0 or values.ndim not in (2, 3):
        raise InputError(f"a mask is (height, width) or (labels, height, width), got shape {values.shape}")
    try:
        _check_size("the mask", (values.shape[-2], values.shape[-1]), size)
    except ImageError as error:
        raise InputError(str(error)) from None
    if values.dtype.kind in "bui":
        if values.ndim != 2:
            raise InputError(
                f"integer labels are (height, width), got shape {values.shape}: weights are floats"
            )
        if values.min() < 0:
            raise InputError(f"labels are 0 or more, got {values.min()}")
        found, labels = np.unique(values, return_inverse=True)
        return Mask(tuple(str(int(label)) for label in found), labels.reshape(values.shape).astype(np.int64))
    if values.dtype.kind != "f":
        raise InputError(f"a mask holds integers or floats, got {values.dtype}")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError("weights of a mask must be finite and in [0, 1]")
    weights = values.astype(np.float32)
    if weights.ndim == 2:
        weights = np.stack([1 - weights, weights])
    elif np.abs(weights.sum(axis=0) - 1).max() > _SUM_TOLERANCE:
        raise InputError("weights of a mask must sum to one at every pixel: divide them by their sum")
    return Mask(tuple(str(label) for label in range(len(weights))), weights)


def pair_masks(content: Mask, style: Mask) -> tuple[Mask, Mask]:
    """Give two masks the same names in the same order, those of the content first.

    Where one mask is soft, both come back soft. A region of the style that the content lacks stays, unused.

    Raises:
        InputError: The content has a region that the style lacks, so nothing says how it should look.
    """
    missing = [name for name in content.names if name not in style.names]
    if missing:
        raise InputError(
            f"the content mask has {_listed(missing)}, the style mask only {_listed(style.names)}: "
            "mark the same regions in both"
        )
    names = (*content.names, *(name for name in style.names if name not in content.names))
    soft = content.is_soft or style.is_soft
    return _relabelled(content, names, soft=soft), _relabelled(style, names, soft=soft)


def _relabelled(mask: Mask, names: tuple[str, ...], *, soft: bool) -> Mask:
    order = np.array([names.index(name) for name in mask.names])
    if not soft:
        return Mask(names, order[mask.values])
    weights = np.zeros((len(names), *mask.size), dtype=np.float32)
    if mask.is_soft:
        weights[order] = mask.values
    else:
        np.put_along_axis(weights, order[mask.values][None], 1, axis=0)
    return Mask(names, weights)


def mask_of(image: Image.Image, name: str) -> Mask:
    """Read the mask that an image is; its name is for the error.

    Raises:
        ImageError: The image is no mask.
    """
    if image.mode == "P":
        return _from_palette(image)
    if image.mode in ("1", "L") or image.mode.startswith("I"):
        return _from_grey(image, name)
    if image.mode not in ("RGB", "RGBA", "LA"):
        raise ImageError(f"{name} is a {image.mode} picture: a mask is a palette, RGB or grey image")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise ImageError(f"{name} has transparent pixels, which belong to no region: fill them")
    return _from_grey(image.convert("L"), name) if image.mode == "LA" else _from_colours(image, name)


def _from_palette(image: Image.Image) -> Mask:
    palette = np.array(image.getpalette("RGB"), dtype=np.int64).reshape(-1, 3)
    colours = np.zeros(256, dtype=np.int64)
    colours[: len(palette)] = _packed(palette)
    return _labelled(
        np.asarray(image), {index: f"{index} (#{colour:06x})" for index, colour in enumerate(colours)}
    )


def _from_grey(image: Image.Image, name: str) -> Mask:
    full = 65535 if image.mode.startswith("I") else 255
    levels = np.asarray(image.convert("L") if image.mode == "1" else image)
    if levels.max() > full or levels.min() < 0:
        raise ImageError(f"{name} holds values beyond 16 bits: a grey mask has 8 or 16 bits")
    if np.isin(levels, (0, full)).all():
        return _labelled((levels == full).astype(np.uint8), {0: "black", 1: "white"})
    if levels.max() < full / 2:
        raise ImageError(
            f"{name} is grey, thus a soft mask, but nowhere above half weight: "
            "if it holds label numbers, save it with a palette or as colours"
        )
    white = np.divide(levels, full, dtype=np.float32)
    return Mask(("black", "white"), np.stack([1 - white, white]))


def _from_colours(image: Image.Image, name: str) -> Mask:
    colours = _packed(np.asarray(image.convert("RGB")))
    counts = np.bincount(colours.ravel(), minlength=1 << 24)
    found = np.flatnonzero(counts)
    share = counts[found] / colours.size

    codes = np.array(list(CODES.values()))
    distance = np.stack([np.abs(_channels(found) - code).max(axis=-1) for code in _channels(codes)], axis=-1)
    near = distance.min(axis=1) <= _NOISE
    blended = share[~near]
    if blended.sum() <= _MOST_BLENDED and blended.max(initial=0) <= LEAST_REGION:
        fills = np.bincount(distance[near].argmin(axis=1), weights=share[near], minlength=len(codes))
        regions = np.flatnonzero(fills >= LEAST_REGION if len(blended) else fills > 0)
        labels = regions[distance[:, regions].argmin(axis=1)]
        names = dict(enumerate(CODES))
    elif len(found) <= _MOST_COLOURS:
        labels = np.arange(len(found))
        names = {label: _colour_name(int(colour)) for label, colour in enumerate(found)}
    else:
        raise ImageError(
            f"{name} has {len(found)} colours, {blended.sum():.0%} of it far from the mask colours "
            f"({', '.join(CODES)}): paint the regions in flat colours and save as PNG"
        )
    table = np.zeros(1 << 24, dtype=np.uint8)
    table[found] = labels
    return _labelled(table[colours], names)


def _labelled(values: NDArray[Any], names: dict[int, str]) -> Mask:
    """Number the values that occur from 0 up; they are small, so a table is far quicker than a sort."""
    occurs = np.bincount(values.ravel()) > 0
    labels = (np.cumsum(occurs) - 1)[values]
    return Mask(tuple(names[int(value)] for value in np.flatnonzero(occurs)), labels)


def _packed(channels: NDArray[Any]) -> NDArray[np.int32]:
    red, green, blue = (channels[..., i].astype(np.int32) for i in range(3))
    return red << 16 | green << 8 | blue


def _channels(colours: NDArray[Any]) -> NDArray[Any]:
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1).astype(np.int16)


def _colour_name(colour: int) -> str:
    return next((name for name, code in CODES.items() if code == colour), f"#{colour:06x}")


def _check_size(name: str, got: tuple[int, int], wanted: tuple[int, int] | None) -> None:
    if wanted is not None and got != wanted:
        raise ImageError(
            f"{name} is {got[1]} x {got[0]} pixels, its picture {wanted[1]} x {wanted[0]}: "
            "give a mask of the picture's size"
        )


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names)
