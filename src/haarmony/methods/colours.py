"""What an artistic method does to keep the content's colours (Gatys et al. 2016, arXiv:1606.05897)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from haarmony.losses import luma
from haarmony.matching import gaussian_ot, mean_std
from haarmony.methods.method import Example
from haarmony.moments import Moments

Preserve = Literal["none", "luminance", "matching"]
"""Nothing is kept; luminance alone is transferred; or the style is first given the content's colours."""

PRESERVE = "keep the content's colours: transfer luminance alone, or match the style's colours to them"
"""For the user, of an option of this kind."""


def prepared(content: Example, style: Example, preserve: Preserve) -> Example:
    """The style in the colours that are to be kept."""
    if preserve == "none":
        return style
    if preserve == "luminance":
        own, wanted = (Moments.of(luma(one.picture)[0]).cpu() for one in (style, content))
        mapped = mean_std(own, wanted)(luma(style.picture)).expand_as(style.picture).contiguous()
    else:
        own, wanted = (Moments.of(one.picture[0]).cpu() for one in (style, content))
        mapped = gaussian_ot(own, wanted)(style.picture)
    return replace(style, picture=mapped.clamp(0, 1))


def offered(content: Example, preserve: Preserve) -> Example:
    """The content as the transfer is to see it: in grey where luminance alone is transferred."""
    if preserve != "luminance":
        return content
    return replace(content, picture=luma(content.picture).expand_as(content.picture).contiguous())


def restored(content: Tensor, made: Tensor, preserve: Preserve) -> Tensor:
    """The result, which gets the content's colours back where luminance alone was transferred."""
    return made if preserve != "luminance" else content + luma(made) - luma(content)
