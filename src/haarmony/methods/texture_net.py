"""Texture networks: feed-forward synthesis of textures and stylized images (Ulyanov et al., ICML 2016).

Adds to synthesis and style transfer by descent: the descent is done once, on a network that then makes any
number of pictures in one pass each. A texture comes from noise at several scales; a style is laid over a
picture, where instance normalisation, which came soon after (Ulyanov et al., arXiv:1607.08022 and CVPR 2017),
lets the network forget the contrast of the content and so made the method good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from haarmony.devices import full_precision, usable
from haarmony.errors import InputError
from haarmony.media.kinds import MaskLike, PictureLike, to_picture
from haarmony.methods.colours import offered, restored
from haarmony.methods.method import Example, Masks, Styles, Transfer, Watch, unwatched
from haarmony.methods.settings import option, refuse_unused, seed_option
from haarmony.methods.stylists import in_style, known_stylist, texture_of
from haarmony.networks.texture_net import TextureGenerator
from haarmony.networks.transform_net import TransformNet

_PREFIX = "texture_net_"


@dataclass(frozen=True, kw_only=True)
class TextureNet(Transfer):
    """A picture in the style that a network was trained for, or a new picture of its texture.

    Attributes:
        style_name: the shipped network, or the file of another.
        size: of a texture, which has no content.
        seed: of its noise.
        side: of the copy of a content that is worked on; the result is enlarged to the content's size.
    """

    paper: ClassVar[str] = (
        "Ulyanov, Lebedev, Vedaldi, Lempitsky: Texture Networks: Feed-forward Synthesis of Textures and "
        "Stylized Images, ICML"
    )
    year: ClassVar[int] = 2016
    takes_style: ClassVar[bool] = False
    takes_masks: ClassVar[bool] = False

    style_name: str = option(
        "mondrian", "a style or texture: a name, or a file by haarmony train texture-net"
    )
    size: tuple[int, int] | None = option(None, "of a texture, such as 512x512", least=8, most=8192)
    seed: int = seed_option("of a texture's noise")
    preserve: Literal["none", "luminance"] = option(
        "none", "keep the content's colours by transferring luminance alone"
    )
    side: int = option(768, "pixels of the long side that is worked on, at most", least=16)

    @property
    def takes_content(self) -> bool:
        """Whether it changes a picture, or makes one of nothing."""
        return isinstance(known_stylist(self.style_name, prefix=_PREFIX).network, TransformNet)

    def __call__(
        self,
        content: PictureLike | None,
        style: Styles | None = None,
        *,
        content_mask: MaskLike | None = None,
        style_mask: Masks = None,
        watch: Watch = unwatched,
    ) -> Any:
        """A content in the style; or a texture, a `Picture` of `size`, where the content is None.

        Raises:
            InputError: for a content, or no size, where the network makes a texture; and see
                `Transfer.__call__`.
        """
        if not self.takes_content:
            if content is not None or style is not None or content_mask is not None or style_mask is not None:
                raise InputError(f"{self.style_name} makes a texture from noise: leave content and style out")
            refuse_unused(self, ("strength", "preserve", "side"), "where a texture is made of noise")
            if self.size is None:
                raise InputError("a texture has no content to take its size from: give size, such as 512x512")
            network = known_stylist(self.style_name, prefix=_PREFIX, device=usable(self.device)).network
            assert isinstance(network, TextureGenerator)
            with full_precision():
                return to_picture(texture_of(network, self.size, self.seed))
        if self.size is not None:
            raise InputError("the result has the content's size: leave size out")
        refuse_unused(self, ("seed",), "where a content gets a style")
        return super().__call__(content, style, content_mask=content_mask, style_mask=style_mask, watch=watch)

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        network = known_stylist(self.style_name, prefix=_PREFIX, device=content.picture.device).network
        assert isinstance(network, TransformNet)
        made = in_style(network, offered(content, self.preserve), torch.ones(1), self.side)
        return restored(content.picture, made, self.preserve)
