"""What a backbone is: a network whose features a method looks at, and no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

from torch import Tensor, nn

from haarmony.errors import InputError

MEAN_RGB: Final = (0.485, 0.456, 0.406)
STD_RGB: Final = (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1]: what torchvision's networks expect to be taken off and divided by."""


class Backbone(nn.Module, ABC):
    """A picture to its features.

    Attributes:
        layers: the names of all features, from the picture on.
        style_layers: those that a loss of style looks at where nothing else is said.
        content_layers: those that a loss of content looks at.
        smallest: the shortest side of a picture that the network takes.
    """

    layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    content_layers: tuple[str, ...]
    smallest: int

    @abstractmethod
    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """The wanted features of a picture (B, 3, H, W), RGB in [0, 1], by name.

        Raises:
            InputError: for a name that is none of `layers`.
        """

    def check(self, wanted: Iterable[str]) -> None:
        """Find out whether all names are known.

        Raises:
            InputError: for one that is none of `layers`.
        """
        for name in wanted:
            if name not in self.layers:
                raise InputError(
                    f"the backbone has no layer {name!r}: choose any of {', '.join(self.layers)}"
                )
