"""Which regions a frame has: those of masks, or those that are found in its shot and followed over time.

Regions are found once a shot, in samples of it and all styles of the schedule together, so that a label means
the same over the shot and from one style to the next; with a window, in the shot's first samples. Each frame
is then divided by itself, by the kinds of places that were found, relative to what is usual in the samples
about it. The weights of a place are averaged over the frames about it in which it looks the same, so that
nothing flickers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from haarmony.correspondence import Usual, View, usual
from haarmony.errors import HaarmonyWarning
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.automatic import Common, in_common, view
from haarmony.pipelines.exposure import at_usual
from haarmony.pipelines.frame_masks import FrameMasks
from haarmony.pipelines.rows import SampleRows, planes, reduced
from haarmony.pipelines.spans import FrameLike, Samples, Span
from haarmony.regions import Regions

Known = tuple[Tensor, Regions | None]
"""A sample at the size of the network, (1, 3, h, w), and its regions."""

ABOUT = 12
"""Frames to either side that regions are averaged over."""

_LOOKED_AT = 4
"""Samples that regions are found in."""

_ALIKE = 0.03
"""Differences of colour, of values in [0, 1], up to which a place looks the same."""


class Places(Protocol):
    """The regions of the frames of a shot."""

    def known(self, samples: Samples) -> Sequence[Known]:
        """Samples at their usual exposure, and their regions."""

    def see(self, frame: FrameLike, span: Span) -> None:
        """Take the next frame."""

    def of(self, index: int) -> Regions | None:
        """The regions of a frame by itself."""

    def steady(self, index: int) -> Regions | None:
        """The regions of a frame that has been seen, with what has been of those about it."""


class Given:
    """Regions by masks, or none."""

    def __init__(self, wct2: WCT2, masks: FrameMasks | None) -> None:
        """Regions of a film by its masks."""
        self._wct2, self._masks = wct2, masks

    def known(self, samples: Samples) -> list[Known]:  # noqa: D102
        pictures = _pictures(self._wct2, samples)
        return [(one, self.of(sample.index)) for one, sample in zip(pictures, samples.frames, strict=True)]

    def see(self, frame: FrameLike, span: Span) -> None:  # noqa: D102
        pass

    def of(self, index: int) -> Regions | None:  # noqa: D102
        if self._masks is None:
            return None
        return self._masks.regions(index, rest=self._wct2.recipe.unmatched == "whole").to(self._wct2.device)

    steady = of


class Followed:
    """Regions that are found in one shot."""

    def __init__(self, wct2: WCT2, common: Common) -> None:
        """Follow regions through the shot that they were found in by `found_in`."""
        self._wct2, self._common = wct2, common
        self._pictures: dict[int, Tensor] = {}
        self._weights: dict[int, Tensor] = {}
        self._colours: dict[int, Tensor] = {}
        self._usual = lru_cache(2)(self._measured)
        self.known = lru_cache(2)(self._divided)

    def see(self, frame: FrameLike, span: Span) -> None:  # noqa: D102
        if not self._common.share:
            return
        about = self._usual(span.before)
        if span.behind is not span.before:
            about = about.towards(self._usual(span.behind), span.at(frame.index)[1][1])
        index = frame.index
        picture = self._pictures[index] = small(self._wct2, frame.pixels, span.exposure(index))
        here = _viewed(self._wct2, picture)
        self._weights[index] = self._common.kinds.weights(here, about)
        _, height, width = self._weights[index].shape
        self._colours[index] = F.adaptive_avg_pool2d(here.picture, (height, width))[0]

    def of(self, index: int) -> Regions | None:  # noqa: D102
        return self._regions(self._pictures[index], self._weights[index]) if self._weights else None

    def steady(self, index: int) -> Regions | None:
        """See `Places`; frames are asked for in order."""
        for known in (self._pictures, self._weights, self._colours):
            for old in [number for number in known if number < index - ABOUT]:
                del known[old]
        if not self._weights:
            return None
        about = [number for number in range(index - ABOUT, index + ABOUT + 1) if number in self._weights]
        apart = torch.stack([self._colours[number] for number in about]) - self._colours[index]
        shares = torch.exp(apart.square().sum(1, keepdim=True) / (-2 * _ALIKE**2))
        weights = torch.stack([self._weights[number] for number in about]).to(shares)
        return self._regions(self._pictures[index], (shares * weights).sum(0) / shares.sum(0))

    def _regions(self, picture: Tensor, weights: Tensor) -> Regions:
        regions = self._common.regions(self._wct2.enlarged(picture), weights)
        return regions.cropped((picture.shape[-2], picture.shape[-1]))

    def _divided(self, samples: Samples) -> list[Known]:
        pictures = _pictures(self._wct2, samples)
        if not self._common.share:
            return [(picture, None) for picture in pictures]
        about = self._usual(samples)
        weights = [self._common.kinds.weights(_viewed(self._wct2, one), about) for one in pictures]
        return [(one, self._regions(one, each)) for one, each in zip(pictures, weights, strict=True)]

    def _measured(self, samples: Samples) -> Usual:
        return usual([_viewed(self._wct2, picture) for picture in _pictures(self._wct2, samples)])


def found_in(wct2: WCT2, samples: Samples, styles: Sequence[Tensor], count: int) -> Common:
    """Find the regions of a shot, where it warns when they are not to count; see `in_common`."""
    pictures = [wct2.enlarged(picture) for picture in _pictures(wct2, samples)]
    apart = -(-len(pictures) // _LOOKED_AT)
    common = in_common(wct2, pictures[apart // 2 :: apart], styles, count)
    if not common.share:
        warnings.warn(
            f"no regions were found in the shot from frame {samples.first} that belong together with the "
            "style's without leaving marks: it is taken as a whole",
            HaarmonyWarning,
            stacklevel=2,
        )
    return common


def small(wct2: WCT2, pixels: NDArray[Any], exposure: float = 1.0) -> Tensor:
    """A frame (H, W, 3) at the size of the network, (1, 3, h, w), and at the usual exposure."""
    rows = SampleRows(pixels, wct2.device)
    copy = reduced(rows, wct2.work_size((rows.height, rows.width)))
    return at_usual(copy, exposure)


def _viewed(wct2: WCT2, picture: Tensor) -> View:
    return view(wct2, wct2.enlarged(picture))


def _pictures(wct2: WCT2, samples: Samples) -> list[Tensor]:
    return [at_usual(planes(one.pixels, wct2.device), samples.exposure(one)) for one in samples.frames]
