"""Many styles in one network: a learned representation for artistic style (Dumoulin et al., ICLR 2017).

Adds to texture networks, which know one style each: the styles share every convolution, and what makes one
differ from another is the scale and shift of each instance normalisation, some thousand numbers. A style is
added to a trained network by those numbers alone, and numbers between two styles are a style between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from haarmony.errors import InputError
from haarmony.methods.colours import offered, restored
from haarmony.methods.method import Example, Transfer, Watch
from haarmony.methods.settings import option
from haarmony.methods.stylists import in_style, known_stylist, one_hot
from haarmony.networks.transform_net import TransformNet


@dataclass(frozen=True, kw_only=True)
class Conditional(Transfer):
    """A picture in one of the styles that a network has learnt, or between them, in one pass.

    Attributes:
        style_name: names of styles, each with a weight after an equals sign where there are several:
            `("matisse=0.7", "mondrian=0.3")`.
        network: the shipped one, or the file of another.
        side: of the copy that is worked on; the result is enlarged to the content's size. Strokes have a size
            in pixels, so a smaller copy gets larger ones.
    """

    paper: ClassVar[str] = "Dumoulin, Shlens, Kudlur: A Learned Representation for Artistic Style, ICLR"
    year: ClassVar[int] = 2017
    takes_style: ClassVar[bool] = False
    takes_masks: ClassVar[bool] = False

    style_name: tuple[str, ...] = option(
        ("matisse",), "a style of the network, or several with weights: matisse=0.7,mondrian=0.3"
    )
    network: str = option(
        "conditional", "conditional, or the file of a network by haarmony train conditional"
    )
    preserve: Literal["none", "luminance"] = option(
        "none", "keep the content's colours by transferring luminance alone"
    )
    side: int = option(768, "pixels of the long side that is worked on, at most", least=16)

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        trained = known_stylist(self.network, device=content.picture.device)
        if not isinstance(trained.network, TransformNet):
            raise InputError(f"{self.network} makes a texture from noise: run it by texture_net")
        mix = self._mix(trained.styles)
        made = in_style(trained.network, offered(content, self.preserve), mix, self.side)
        return restored(content.picture, made, self.preserve)

    def _mix(self, names: Sequence[str]) -> Tensor:
        chosen: dict[int, float] = {}
        for entry in self.style_name:
            name, equals, weight = entry.partition("=")
            if name not in names:
                raise InputError(f"the network has no style {name!r}: choose {', '.join(names)}")
            try:
                share = float(weight) if equals else 1.0
            except ValueError:
                share = -1.0
            if not 0 <= share < float("inf"):
                raise InputError(f"the weight of a style is a number, 0 or more, got {entry!r}")
            chosen[names.index(name)] = chosen.get(names.index(name), 0.0) + share
        if not sum(chosen.values()) > 0:
            raise InputError("the weights of styles are 0 or more, and one of them is above 0")
        return one_hot(chosen, len(names))
