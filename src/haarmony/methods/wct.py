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
from typing import ClassVar

from torch import Tensor

from haarmony.methods.levelwise import BACKBONES, Levelwise, cascade, known_levels, whitening_colouring
from haarmony.methods.method import Example, Watch
from haarmony.methods.optimised import resized
from haarmony.methods.settings import option


@dataclass(frozen=True, kw_only=True)
class WCT(Levelwise):
    """Artistic transfer by the covariance of VGG-19's features, at one level or several.

    Attributes:
        backbone: `vgg19`, or `compact`, whose features are a few components of it.
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

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        network = known_levels(BACKBONES[self.backbone], content.picture.device)
        picture = cascade(
            network,
            content,
            styles,
            levels=self.levels,
            matching=partial(whitening_colouring, ridge=self.ridge),
            strength=self.strength,
            side=self.side,
            watch=watch,
        )
        return resized(picture, content.size)
