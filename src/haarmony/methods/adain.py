"""AdaIN: arbitrary style transfer in real time (Huang and Belongie, ICCV 2017).

Adds to one network with many styles (Dumoulin et al. 2017): any style, without training for it. The scale and
shift of instance normalisation are not learnt but taken from the style: each channel of relu4_1 gets the mean
and standard deviation that it has there, and a decoder that was trained on such features makes the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from haarmony.matching import mean_std
from haarmony.methods.colours import PRESERVE, offered, prepared, restored
from haarmony.methods.levelwise import cascade, known_levels
from haarmony.methods.method import Example, Transfer, Watch
from haarmony.methods.optimised import resized
from haarmony.methods.settings import option

_NETWORKS = {"vgg19": "vgg19_adain", "compact": "compact_plain"}


@dataclass(frozen=True, kw_only=True)
class AdaIN(Transfer):
    """Artistic transfer by mean and standard deviation of VGG-19's relu4_1.

    Attributes:
        backbone: `vgg19`, or `compact`, whose features are a few components of it.
        preserve: how the content's colours are kept (section 7.3), if at all.
        side: see `cascade`; the result is enlarged to the content's size.
    """

    paper: ClassVar[str] = (
        "Huang, Belongie: Arbitrary Style Transfer with Adaptive Instance Normalization, ICCV"
    )
    year: ClassVar[int] = 2017
    needs: ClassVar[str] = "VGG-19's weights (nothing with backbone=compact)"
    takes_several: ClassVar[bool] = True
    blends: ClassVar[bool] = False

    backbone: Literal["vgg19", "compact"] = option("vgg19", "the network of the features")
    preserve: Literal["none", "luminance", "matching"] = option("none", PRESERVE)
    side: int = option(1024, "pixels of the long side that is worked on, at most", least=16)

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        network = known_levels(_NETWORKS[self.backbone], content.picture.device)
        picture = cascade(
            network,
            offered(content, self.preserve),
            [prepared(content, style, self.preserve) for style in styles],
            levels=(4,),
            matching=mean_std,
            strength=self.strength,
            side=self.side,
            watch=watch,
        )
        return restored(content.picture, resized(picture, content.size), self.preserve)
