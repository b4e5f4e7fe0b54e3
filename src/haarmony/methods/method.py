"""What all methods of this room share: options that are called with pictures of any kind.

A method says how one content tensor becomes one result. Kinds of pictures, colour profiles, batches, masks
and strength are seen to here, the same for all.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any, ClassVar, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from haarmony.devices import full_precision, usable
from haarmony.errors import InputError
from haarmony.media.image import Picture, to_pil, to_profile
from haarmony.media.kinds import MaskLike, PictureLike, to_mask, to_picture, to_tensor
from haarmony.methods.settings import check_settings, option
from haarmony.regions import Regions, match_regions, weights_at


@dataclass(frozen=True)
class Step:
    """How far a method is, for whoever watches it.

    Attributes:
        done: steps that are behind it.
        steps: in all, at most.
        loss: of the last step; None where there is none.
        picture: (1, 3, H, W), what there is of the result, not clipped; None where there is none yet.
    """

    done: int
    steps: int
    loss: float | None = None
    picture: Tensor | None = None


Watch: TypeAlias = Callable[[Step], None]

Masks: TypeAlias = "MaskLike | Sequence[MaskLike] | None"
Styles: TypeAlias = "PictureLike | Sequence[tuple[PictureLike, float]]"


def unwatched(step: Step) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class Example:
    """A picture as methods take it.

    Attributes:
        picture: (1, 3, H, W) in [0, 1]; of a style, in the content's profile.
        regions: its labels; None for one region. Those of content and styles have the same names.
        share: how much it counts among several styles; the shares sum to 1.
    """

    picture: Tensor
    regions: Regions | None = None
    share: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[-2], self.picture.shape[-1]

    def weights(self, size: tuple[int, int] | None = None) -> dict[str, Tensor | None]:
        """(h, w) of every region, by label, at a feature of this size; None for 1 everywhere."""
        return dict(weights_at(self.regions, size or self.size))


def paired_weights(
    content: Example,
    style: Example,
    *,
    content_size: tuple[int, int] | None = None,
    style_size: tuple[int, int] | None = None,
) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """For every region of the content its weights (h, w), and those of its counterpart in the style.

    Without masks this is the one pair (None, None). What of the content has no counterpart is a region that
    belongs with the whole style, whose weights are None.
    """
    there = style.weights(style_size)
    for label, weight in content.weights(content_size).items():
        yield weight, there.get(label)


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A system of the literature with its options, called with pictures.

    Attributes:
        paper: authors, title and venue.
        year: of the paper.
        needs: beyond the package: "nothing", "VGG-19's weights", "training".
        takes_style: whether it is given a style picture, or brings its styles along.
        takes_several: whether it takes several styles with weights.
        takes_masks: whether it can match regions.
        device: where it is computed, unless a content that is a tensor lies elsewhere than in main memory.
    """

    paper: ClassVar[str]
    year: ClassVar[int]
    needs: ClassVar[str] = "nothing"
    takes_style: ClassVar[bool] = True
    takes_several: ClassVar[bool] = False
    takes_masks: ClassVar[bool] = True

    device: str = option("cpu", "where it is computed: cpu, cuda, cuda:1")

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def takes_content(self) -> bool:
        """Whether it changes a picture, or makes one of nothing."""
        return True

    def placed(self, tensor: Tensor) -> Tensor:
        """A picture where it is computed.

        Raises:
            InputError: for a device that cannot be used here.
        """
        return tensor.to(usable(self.device)) if tensor.device.type == "cpu" else tensor

    @abstractmethod
    def __call__(
        self,
        content: PictureLike | None,
        style: Styles | None = None,
        *,
        content_mask: MaskLike | None = None,
        style_mask: Masks = None,
        watch: Watch = unwatched,
    ) -> Any:
        """A picture of the same kind as the content."""


@dataclass(frozen=True, kw_only=True)
class Transfer(Method):
    """A method whose result is the content in the style's look, at the content's size.

    Attributes:
        strength: 0 gives the content itself, 1 the full transfer.
        blends: whether strength blends the pictures; else `transferred` sees to it where it is not 0.
    """

    blends: ClassVar[bool] = True

    strength: float = option(1.0, "from 0, the content itself, to 1, the full transfer", least=0, most=1)

    def __call__(
        self,
        content: PictureLike | None,
        style: Styles | None = None,
        *,
        content_mask: MaskLike | None = None,
        style_mask: Masks = None,
        watch: Watch = unwatched,
    ) -> Any:
        """Give the content the look of the style.

        Args:
            content: a picture of any kind that `to_tensor` takes; each of a batch is worked on by itself.
            style: another, or pairs with weights where the method takes several. It is brought into the
                content's colour profile.
            content_mask: labels of the content, by name those of the style.
            style_mask: labels of the style; of several styles, a list with one for each.
            watch: called after every step of a method that takes long.

        Returns:
            The same kind as the content, a `Picture` for a path; values in [0, 1] or the kind's full range.

        Raises:
            ImageError: for a file that cannot be read.
            InputError: for anything that does not fit together.
            WeightsError: for weights that are missing or damaged.
        """
        if content is None:
            raise InputError(f"{type(self).__name__} changes a picture: give a content")
        pairs = self._pairs(style)
        masks = self._masks(len(pairs), content_mask, style_mask)
        is_pillow = isinstance(content, Image.Image)
        if is_pillow or isinstance(content, (str, os.PathLike)):
            content = to_picture(content)
        tensor, back = to_tensor(content)
        tensor = self.placed(tensor)
        profile = content.profile if isinstance(content, Picture) else None
        regions, styles = None, _examples(pairs, masks, profile, tensor.device)
        if content_mask is not None:
            regions, styles = _matched(tensor, content_mask, styles)
        with full_precision():
            results = [self._blended(Example(one[None], regions), styles, watch) for one in tensor]
        result = back(torch.cat(results).clamp_(0, 1))
        return to_pil(result) if is_pillow else result

    @abstractmethod
    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """The full transfer.

        Args:
            content: one picture.
            styles: one, or several where the method takes them; none where it brings its styles along.
            watch: to be called after every step.

        Returns:
            (1, 3, H, W) of the content's size, not clipped.
        """

    def _blended(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        if self.strength == 0:
            return content.picture.clone()
        full = self.transferred(content, styles, watch)
        if self.strength == 1 or not self.blends:
            return full
        return torch.lerp(content.picture, full.clamp(0, 1), self.strength)

    def _pairs(self, style: Styles | None) -> list[tuple[PictureLike, float]]:
        name = type(self).__name__
        if not self.takes_style:
            if style is not None:
                raise InputError(f"{name} brings its styles along: give it no style picture")
            return []
        if style is None:
            raise InputError(f"{name} needs a style picture: give one")
        pairs: list[Any] = list(style) if isinstance(style, (list, tuple)) else [(style, 1.0)]
        if not pairs or not all(
            isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Real) for pair in pairs
        ):
            raise InputError(
                "several styles are given as a list of pairs (style, weight): [(a, 0.7), (b, 0.3)]"
            )
        if len(pairs) > 1 and not self.takes_several:
            raise InputError(f"{name} takes one style, got {len(pairs)}: give one")
        total = sum(weight for _, weight in pairs)
        if not 0 < total < inf or any(weight < 0 for _, weight in pairs):
            raise InputError("the weights of styles are 0 or more, finite, and one of them is above 0")
        return [(one, weight / total) for one, weight in pairs]

    def _masks(self, count: int, content_mask: MaskLike | None, style_mask: Masks) -> list[MaskLike | None]:
        if content_mask is None and style_mask is None:
            return [None] * count
        if not self.takes_masks:
            raise InputError(f"{type(self).__name__} takes no masks: leave them out")
        if content_mask is None or style_mask is None:
            given, missing = ("content", "style") if style_mask is None else ("style", "content")
            raise InputError(f"the {given} has a mask but the {missing} has none: give both or neither")
        masks: list[Any] = list(style_mask) if isinstance(style_mask, (list, tuple)) else [style_mask]
        if len(masks) != count:
            raise InputError(f"each style picture needs a mask: got {len(masks)} for {count}")
        return masks


def _examples(
    pairs: Sequence[tuple[PictureLike, float]],
    masks: Sequence[MaskLike | None],
    profile: bytes | None,
    device: torch.device,
) -> list[Example]:
    examples = []
    for (style, share), mask in zip(pairs, masks, strict=True):
        picture = to_tensor(to_profile(to_picture(style), profile))[0].to(device)
        size = picture.shape[-2], picture.shape[-1]
        regions = None if mask is None else Regions.of(to_mask(mask, size=size), device)
        examples.append(Example(picture, regions, share))
    return examples


def _matched(tensor: Tensor, mask: MaskLike, styles: list[Example]) -> tuple[Regions, list[Example]]:
    """The regions of the content and of the styles that belong together, with the same names."""
    if tensor.shape[0] != 1:
        raise InputError(f"a mask goes with one picture, got a batch of {tensor.shape[0]}")
    size = tensor.shape[-2], tensor.shape[-1]
    regions = Regions.of(to_mask(mask, size=size), tensor.device)
    for style in styles:
        assert style.regions is not None
        regions = match_regions(regions, style.regions.areas(), whole=True)
    shared = [
        Example(one.picture, one.regions and one.regions.only(regions.labels), one.share) for one in styles
    ]
    return regions, shared
