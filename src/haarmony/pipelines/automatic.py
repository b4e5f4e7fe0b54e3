"""Regions that are found and not drawn: what of the content and of the style belongs together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.carry import apply_field
from haarmony.correspondence import SMALLEST_SHARE, Kinds, View, check_count, kinds, usual
from haarmony.errors import HaarmonyWarning, InputError
from haarmony.guided import guide, guided_weights
from haarmony.losses import false_gradient, luma
from haarmony.media.kinds import PictureLike
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.rows import Rows, reduced
from haarmony.pipelines.styles import Part, style_rows
from haarmony.regions import Regions
from haarmony.style import Style

_LEVEL = 3
_RADIUS = 16.0
_SHARES = (1.0, 2 / 3, 1 / 3)
"""How much regions that were found may count; the rest is the transfer of the whole."""
_GRADIENT_RISE, _GRADIENT_MORE = 1.25, 0.25
_CONTRAST_KEPT = 0.9


def check_automatic(wct2: WCT2, parts: Sequence[Part], count: int, *, has_content_mask: bool) -> PictureLike:
    """Find out before any work whether regions can be found.

    Returns:
        The one style picture.

    Raises:
        InputError: for another count than 2 to 8, masks, several styles or a style file, or a model that does
            not work on a reduced copy.
    """
    check_count(count)
    if has_content_mask or any(part.has_mask for part in parts):
        raise InputError("regions are either found or given by masks: leave out one of the two")
    if len(parts) != 1 or isinstance(parts[0].style, Style):
        raise InputError("regions are found in two pictures: give one style, as a picture")
    if wct2.recipe.work_side is None:
        raise InputError("regions are found on a reduced copy: leave out --detail network")
    return parts[0].style


@dataclass(frozen=True)
class Common:
    """The regions that contents have in common with styles.

    Attributes:
        kinds: of their places.
        labels: name to index, of the kinds that fill enough of the contents and of every style.
        styles: by regions; as wholes where the regions are not to count.
        share: how much the regions count, 0 to 1; the rest is the transfer of the whole.
    """

    kinds: Kinds
    labels: dict[str, int]
    styles: Sequence[Style]
    share: float

    def regions(self, picture: Tensor, weights: Tensor) -> Regions:
        """Those of a content (1, 3, H, W), from its weights (K, h, w) of the kinds."""
        return Regions(self.labels, self.share * _enlarged(weights, picture), rest=True)


def in_common(wct2: WCT2, contents: Sequence[Tensor], styles: Sequence[Tensor], count: int) -> Common:
    """Find the regions of contents and styles, all (1, 3, H, W) as the network sees them.

    The regions are a guess. They count as far as they leave hardly more false gradient in what is flat, and
    hardly less contrast, than the transfer of the whole pictures does; that can be not at all.
    """
    ours, theirs = ([view(wct2, one) for one in pictures] for pictures in (contents, styles))
    common, same = kinds(ours, theirs, count), usual(ours)
    here = [common.weights(one, same) for one in ours]
    there = [common.weights(one, usual([one])) for one in theirs]
    filled = torch.stack([torch.stack(here).mean((0, 2, 3)), *(one.mean((1, 2)) for one in there)]).amin(0)
    names = {str(label): label for label in range(count)}
    made = [
        wct2.measure(one, Regions(names, _enlarged(weights, one)))
        for one, weights in zip(styles, there, strict=True)
    ]
    labels = {name: label for name, label in names.items() if filled[label] >= SMALLEST_SHARE}
    wholes = [wct2.measure(one, None) for one in styles]
    before = [[_seen(wct2, one, style, None) for style in wholes] for one in contents]
    for share in _SHARES:
        found = Common(common, labels, made, share)
        if not any(
            _worse(known, _seen(wct2, one, style, found.regions(one, weights)))
            for one, weights, row in zip(contents, here, before, strict=True)
            for style, known in zip(made, row, strict=True)
        ):
            return found
    return Common(common, {}, wholes, 0.0)


def view(wct2: WCT2, picture: Tensor) -> View:
    """What regions are found by in a picture (1, 3, H, W)."""
    return View(picture, wct2.feature(picture, _LEVEL))


@torch.no_grad()
def found(
    wct2: WCT2, content: Rows, style: PictureLike, profile: bytes | None, count: int
) -> tuple[Style, Regions | None]:
    """The style by regions, and the content's regions that belong to them, both as the network sees them.

    The regions are None, the style is that of the whole picture, and a `HaarmonyWarning` says so, where those
    that were found are not to count.

    Args:
        wct2: a model that works on a reduced copy.
        content: the picture.
        style: the style picture.
        profile: of the content, into which the style is brought.
        count: of kinds of regions, 2 to 8.
    """
    ours = _small(wct2, content)
    common = in_common(wct2, [ours], [seen_style(wct2, style, profile)], count)
    (made,) = common.styles
    if common.share:
        here = view(wct2, ours)
        return made, common.regions(ours, common.kinds.weights(here, usual([here])))
    warnings.warn(
        "no regions were found that belong together without leaving marks: the pictures are taken as wholes",
        HaarmonyWarning,
        stacklevel=2,
    )
    return made, None


def seen_style(wct2: WCT2, style: PictureLike, profile: bytes | None) -> Tensor:
    """A style picture in a profile, (1, 3, H, W) as the network sees it."""
    with style_rows(style, profile, wct2.device) as rows:
        return _small(wct2, rows)


def _seen(wct2: WCT2, content: Tensor, style: Style, regions: Regions | None) -> tuple[float, float]:
    """The false gradient and the contrast of luma that a transfer gives to the reduced copy."""
    result = apply_field(content, wct2.field(content, style, regions)).clamp(0, 1)
    return float(false_gradient(content, result)), float(luma(result).std(unbiased=False))


def _worse(before: tuple[float, float], after: tuple[float, float]) -> bool:
    rose = after[0] > _GRADIENT_RISE * before[0] + _GRADIENT_MORE
    return rose or after[1] < _CONTRAST_KEPT * before[1]


def _small(wct2: WCT2, rows: Rows) -> Tensor:
    return wct2.enlarged(reduced(rows, wct2.work_size((rows.height, rows.width))))


def _enlarged(weights: Tensor, picture: Tensor) -> Tensor:
    """Weights at the size of a picture, and along its edges: features see some way across them."""
    size = picture.shape[-2], picture.shape[-1]
    rough = F.interpolate(weights[None].to(picture), size, mode="bilinear", align_corners=False)[0]
    return guided_weights(picture, guide(picture, rough, radius=_RADIUS))
