"""PhotoWCT: a closed-form solution to photorealistic image stylization (Li et al., ECCV 2018).

Adds to WCT: unpooling that puts each value where the maximum was, so that more of the content's detail comes
back; and a second step, which smooths the stylized picture along the content, so that pixels that look alike
in the content look alike in the result. The second step is a quadratic with a closed solution; the fast
variant of the authors' code is a guided filter.

What it leaves to WCT2: maxima are still lost in part, and the smoothing blurs what the first step breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor

from haarmony.guided import guide, guided_planes
from haarmony.matting import MattingLaplacian
from haarmony.methods.levelwise import Levelwise, cascade, known_levels, whitening_colouring
from haarmony.methods.method import Example, Step, Watch, unwatched
from haarmony.methods.optimised import fitted, resized
from haarmony.methods.settings import option, refuse_unused

_NETWORKS = {"vgg19": "vgg19_places", "compact": "compact"}
_GUIDED_RADIUS = 17.0
_GUIDED_RIDGE = 1e-3
_MATTING_RIDGE = 1e-6
"""Ten times that of Levin et al.: with theirs, the blocks of a JPEG show where a sky is nearly white."""
_FINE_RADIUS = 3.0
"""Of the windows in which a result found on a reduced copy is explained by the content."""


@dataclass(frozen=True, kw_only=True)
class PhotoWCT(Levelwise):
    """Photorealistic transfer by the covariance of VGG-19's features, then smoothing along the content.

    Attributes:
        backbone: `vgg19`; or `compact`, which pools by wavelets: its unpooling has the content's high bands
            in place of the maxima's places.
        smoothing: the second step; `none` shows the first alone. For the second alone see `smoothed`.
        fidelity: lambda of the paper: how much the smoothing keeps to the stylized picture.
        side: see `cascade`. The result of a larger picture is brought to its size as a local affine
            function of its colours, in windows of a few pixels of the copy.
    """

    paper: ClassVar[str] = (
        "Li, Liu, Li, Yang, Kautz: A Closed-form Solution to Photorealistic Image Stylization, ECCV"
    )
    year: ClassVar[int] = 2018
    needs: ClassVar[str] = "VGG-19's weights (nothing with backbone=compact)"
    takes_several: ClassVar[bool] = True

    smoothing: Literal["closed-form", "guided", "none"] = option("closed-form", "the second step")
    fidelity: float = option(1e-4, "how much the smoothing keeps to the stylized picture", least=1e-6, most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smoothing != "closed-form":
            refuse_unused(self, ("fidelity",), f"with smoothing={self.smoothing}")

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        network = known_levels(_NETWORKS[self.backbone], content.picture.device)
        stylized = cascade(
            network,
            content,
            styles,
            levels=self.levels,
            matching=partial(whitening_colouring, ridge=self.ridge),
            strength=1.0,
            side=self.side,
            watch=watch,
        )
        copy = resized(content.picture, fitted(content.size, self.side))
        if self.smoothing == "guided":
            guides = guide(copy, stylized[0], radius=_GUIDED_RADIUS, ridge=_GUIDED_RIDGE)
            return guided_planes(content.picture, guides)[None]
        if self.smoothing == "closed-form":
            stylized = smoothed(stylized, copy, fidelity=self.fidelity, watch=watch)
        if copy.shape == content.picture.shape:
            return stylized
        guides = guide(copy, stylized[0], radius=_FINE_RADIUS, ridge=1e-4)
        return guided_planes(content.picture, guides)[None]


def smoothed(
    stylized: Tensor, content: Tensor, *, fidelity: float = 1e-4, watch: Watch = unwatched
) -> Tensor:
    """The smoothing step (section 3.2, eq. 6) of any stylized picture.

    R = (1 - a) (I - a S)^-1 Y with a = 1 / (1 + fidelity), where S are the matting affinities W of the
    content over their row sums D. With D - W = L that is (fidelity D + L) R = fidelity D Y.

    The paper has S = D^-1/2 W D^-1/2. D is the number of windows that hold a pixel, nine but at the border,
    so inside the two are one; at the border the paper's R falls with the root of D, and the picture gets a
    dark frame. S = D^-1 W has none.

    Args:
        stylized: Y, (1, 3, H, W).
        content: (1, 3, H, W) in [0, 1].
        fidelity: lambda, above 0.
        watch: called after every step of the conjugate gradients.

    Returns:
        R, (1, 3, H, W), not clipped.
    """
    laplacian = MattingLaplacian.of(content, ridge=_MATTING_RIDGE)
    weight = fidelity * laplacian.windows
    most = 1000
    result = laplacian.solve(
        weight,
        weight * stylized[0],
        start=stylized[0],
        steps=most,
        watch=lambda step, planes: watch(Step(step, most, picture=planes[None])),
    )
    return result[None]
