"""AdaIN: arbitrary style transfer in real time (Huang and Belongie, ICCV 2017).

Adds to one network with many styles (Dumoulin et al. 2017): any style, without training for it. The scale and
shift of instance normalisation are not learnt but taken from the style: each channel of relu4_1 gets the mean
and standard deviation that it has there, and a decoder that was trained on such features makes the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor

from haarmony.matching import gaussian_ot, mean_std
from haarmony.methods.levelwise import cascade, known_levels, to_size
from haarmony.methods.method import Example, Transfer, Watch
from haarmony.methods.settings import option
from haarmony.moments import Moments

_NETWORKS = {"vgg19": "vgg19_adain", "compact": "compact_plain"}


@dataclass(frozen=True, kw_only=True)
class AdaIN(Transfer):
    """Artistic transfer by mean and standard deviation of VGG-19's relu4_1.

    Attributes:
        backbone: `vgg19`, or `compact`, whose features are a few components of it.
        keep_colours: whether the styles first get the content's distribution of colours (section 7.3, after
            Gatys et al., CVPR 2017), so that only their texture is taken.
        work_side: see `cascade`; the result is enlarged to the content's size.
    """

    paper: ClassVar[str] = (
        "Huang, Belongie: Arbitrary Style Transfer with Adaptive Instance Normalization, ICCV"
    )
    year: ClassVar[int] = 2017
    needs: ClassVar[str] = "VGG-19's weights"
    takes_several: ClassVar[bool] = True
    blends: ClassVar[bool] = False

    backbone: Literal["vgg19", "compact"] = option("vgg19", "the network of the features")
    keep_colours: bool = option(False, "give the style the content's colours first")
    work_side: int | None = option(1024, "the longest side of the copies that are worked on", least=16)

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        network = known_levels(_NETWORKS[self.backbone])
        if self.keep_colours:
            styles = [coloured(style, content) for style in styles]
        picture = cascade(
            network.to(content.picture.device),
            content,
            styles,
            levels=(4,),
            matching=mean_std,
            strength=self.strength,
            work_side=self.work_side,
            watch=watch,
        )
        return to_size(picture, content.size)


def coloured(style: Example, content: Example) -> Example:
    """The style with the mean and covariance of the content's colours."""
    own, wanted = Moments.of(style.picture[0]), Moments.of(content.picture[0])
    return replace(style, picture=gaussian_ot(own, wanted)(style.picture).clamp(0, 1))
