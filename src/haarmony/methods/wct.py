"""WCT: universal style transfer by whitening and colouring (Li et al., NIPS 2017).

Adds to AdaIN: the whole covariance of the features instead of each channel's variance alone, and decoders
that were never trained on a style: they only learn to undo VGG-19, one from each of relu1_1 ... relu4_1.
Several levels are matched coarse to fine, each on the picture that the one before it gave. (The paper begins
one level deeper, at relu5_1.)

What it leaves to WCT2: the decoders put back by guess what max-pooling lost, each cascaded network adds its
errors to those of the ones before, and four of them are encoded and decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor

from haarmony.errors import InputError
from haarmony.methods.levelwise import BACKBONES, cascade, known_levels, whitening_colouring
from haarmony.methods.method import Example, Transfer, Watch
from haarmony.methods.optimised import resized
from haarmony.methods.settings import option


@dataclass(frozen=True, kw_only=True)
class WCT(Transfer):
    """Artistic transfer by the covariance of VGG-19's features, at one level or several.

    Attributes:
        backbone: `vgg19`, or `compact`, whose features are a few components of it.
        levels: of the features, in the order in which they are matched.
        ridge: added to both covariances, as a share of the content's mean variance: what is fainter than that
            is not amplified.
        side: see `cascade`; the result is enlarged to the content's size.
    """

    paper: ClassVar[str] = (
        "Li, Fang, Yang, Wang, Lu, Yang: Universal Style Transfer via Feature Transforms, NIPS"
    )
    year: ClassVar[int] = 2017
    needs: ClassVar[str] = "VGG-19's weights (nothing with backbone=compact)"
    takes_several: ClassVar[bool] = True
    blends: ClassVar[bool] = False

    strength: float = option(0.6, "of every level, from 0, the content itself, to 1", least=0, most=1)
    backbone: Literal["vgg19", "compact"] = option("vgg19", "the network of the features")
    levels: tuple[int, ...] = option(
        (4, 3, 2, 1), "features that are matched, in this order", least=1, most=4
    )
    ridge: float = option(1e-3, "share of the mean variance; what is fainter is not amplified", least=0)
    side: int = option(1024, "pixels of the long side that is worked on, at most", least=16)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.levels)) < len(self.levels):
            raise InputError(f"every level is matched once, got {','.join(map(str, self.levels))}")

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        network = known_levels(BACKBONES[self.backbone])
        picture = cascade(
            network.to(content.picture.device),
            content,
            styles,
            levels=self.levels,
            matching=partial(whitening_colouring, ridge=self.ridge),
            strength=self.strength,
            side=self.side,
            watch=watch,
        )
        return resized(picture, content.size)
