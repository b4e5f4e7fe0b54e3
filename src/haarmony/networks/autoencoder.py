"""The wavelet autoencoder: what WCT2 asks of any network that it stylizes with.

A level goes one step deeper. Between levels a Haar pooling keeps LL on the main path and lays LH, HL, HH
aside as a `Skip`; the decoder's unpooling takes them back (Yoo et al., ICCV 2019, section 3.2 and figure 2).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from haarmony.errors import InputError

LEVELS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Skip:
    """What one pooling lays aside for its unpooling.

    Attributes:
        high: LH, HL, HH, each (B, C, ceil(H/2), ceil(W/2)); empty where the pooling keeps every band.
        size: (H, W) before the pooling.
        original: the (B, C, H, W) feature before the pooling, where the unpooling concatenates it.
        places: where each maximum was, (B, C, ceil(H/2), ceil(W/2)), of a pooling by maxima.
    """

    high: tuple[Tensor, ...]
    size: tuple[int, int]
    original: Tensor | None = None
    places: Tensor | None = None


Skips = dict[int, Skip]

Begun = tuple[Tensor, Skips]
"""The feature of level 1, and what was laid aside on the way."""


class WaveletAutoencoder(nn.Module, ABC):
    """Encoder and decoder of four levels that WCT2 can enter between any two.

    Attributes:
        smallest: the shortest side of a picture that the network can take.
        stride: of the deepest level; tiles of a picture begin at its multiples.
        encoder_reach: pixels beyond which nothing bears on the features of each level; multiples of `stride`.
        reach: the same for a pixel's result, there and back.
        bytes_per_pixel: peak memory of a transfer at full size, over the picture's pixels, measured.
        bytes_aside: what it takes beside, however small the picture: weights laid out anew, and allocators.
    """

    smallest = 1
    stride = 8
    encoder_reach: tuple[int, int, int, int]
    reach: int
    bytes_per_pixel: int
    bytes_aside: int

    @abstractmethod
    def encode(self, level: int, x: Tensor, skips: Skips) -> Tensor:
        """Encode one level.

        Args:
            level: 1 to 4.
            x: the picture (B, 3, H, W), sRGB in [0, 1], for level 1; else the feature of the level above.
            skips: receives the Skip of each pooling passed, by the pooling's number, 1 to 3.

        Returns:
            The feature of this level, a transfer site.
        """

    @abstractmethod
    def decode(self, level: int, x: Tensor, skips: Skips) -> Tensor:
        """Decode one level: feature `level` to feature `level - 1`, level 1 to the unclipped picture."""

    def allow_bfloat16(self) -> None:
        """Let large convolutions round what they multiply to bfloat16, on a processor that is quick at it.

        Raises:
            InputError: for a network, a device or a processor that gains nothing by it.
        """
        raise InputError(
            "bfloat16 is for the large convolutions of vgg19 and its variants: this model is as quick without"
        )

    def begin(self, x: Tensor) -> Begun:
        """The feature of level 1, from which several walks can go on."""
        skips: Skips = {}
        return self.encode(LEVELS[0], x, skips), skips

    def encode_all(self, x: Tensor, begun: Begun | None = None) -> tuple[dict[int, Tensor], Skips]:
        """The features of all levels and the skips, with nothing transferred; level 1 may be known."""
        x, begun_skips = begun or self.begin(x)
        features, skips = {LEVELS[0]: x}, dict(begun_skips)
        for level in LEVELS[1:]:
            x = features[level] = self.encode(level, x, skips)
        return features, skips

    def forward(self, x: Tensor, begun: Begun | None = None) -> Tensor:
        """Through the network and back with no transfer; level 1 may be known."""
        features, skips = self.encode_all(x, begun)
        y = features[LEVELS[-1]]
        for level in reversed(LEVELS):
            y = self.decode(level, y, skips)
        return y
