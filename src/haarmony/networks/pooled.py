"""VGG-19 with max-pooling, and decoders that mirror it: the networks of AdaIN, WCT and PhotoWCT.

The encoder is VGG-19 itself, reflection-padded, to relu1_1 ... relu4_1. A decoder has the reverse of each of
its convolutions, and where the encoder pools it unpools: `nearest` repeats every value (Huang and Belongie,
ICCV 2017; Li et al., NIPS 2017), `places` puts each where the maximum was and leaves zeros elsewhere (Li et
al., ECCV 2018, section 3.1). Neither inverts the pooling, which loses three values of four.
"""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.networks.autoencoder import LEVELS, Skip, Skips
from haarmony.networks.pooling import POOLINGS, Pooling, maximum_alone, repeated
from haarmony.networks.vgg19 import ENCODER, POOLED, ReflectedConvolution

Unpooling = Literal["nearest", "places"]
_POOLINGS = {"nearest": Pooling(maximum_alone, repeated), "places": POOLINGS["max"]}


class PooledVGG19(nn.Module):
    """VGG-19 to relu`level`_1 and a decoder back to the picture.

    Attributes:
        level: 1 to 4, of the feature.
        unpooling: `nearest` or `places`.
        convolutions: names of the encoder's, in order; the decoder's are named after those that they undo.
        encoder: VGG's convolutions, after `conv0`, a 1x1 convolution of the RGB picture that holds VGG's
            preprocessing. One encoder may serve networks of several levels.
        decoder: the mirrored convolutions.
        smallest: the shortest side of a picture that the network takes.
    """

    encoder: nn.ModuleDict
    decoder: nn.ModuleDict

    def __init__(
        self, level: int = 4, unpooling: Unpooling = "nearest", *, encoder: nn.ModuleDict | None = None
    ) -> None:
        """Build the network with torch's random weights; `haarmony.networks.weights` has trained ones.

        Raises:
            InputError: for an unknown level or unpooling.
        """
        super().__init__()
        if level not in LEVELS or unpooling not in ("nearest", "places"):
            raise InputError(
                f"expected a level of 1 to 4 and an unpooling nearest or places, got {level!r}, {unpooling!r}"
            )
        self.level, self.unpooling = level, unpooling
        self.smallest = 2 ** (level - 1) + 1  # a side of one pixel has nothing to reflect
        self.convolutions = tuple(name for name in ENCODER if name <= f"conv{level}_1")
        if encoder is None:
            encoder = nn.ModuleDict({"conv0": nn.Conv2d(3, 3, 1)})
            encoder.update({name: ReflectedConvolution(*ENCODER[name]) for name in self.convolutions})
        self.encoder = encoder
        self.decoder = nn.ModuleDict(
            {name: ReflectedConvolution(*reversed(ENCODER[name])) for name in reversed(self.convolutions)}
        )

    def encode_all(self, picture: Tensor, *, level: int | None = None) -> tuple[dict[int, Tensor], Skips]:
        """The features relu1_1 ... of a picture by level, and what was pooled between them.

        Args:
            picture: (B, 3, H, W), RGB in [0, 1].
            level: to stop at; the network's own if None.

        Raises:
            InputError: for a picture of another shape, or with a side shorter than `smallest`.
        """
        if picture.ndim != 4 or picture.shape[1] != 3 or min(picture.shape[-2:]) < self.smallest:
            raise InputError(
                f"expected a picture (batch, 3, height, width) with sides >= {self.smallest}, "
                f"got {tuple(picture.shape)}"
            )
        skips: Skips = {}
        features: dict[int, Tensor] = {}
        x = self.encoder["conv0"](picture)
        for name in self.convolutions:
            x = self.encoder[name](x, rectify=True)
            if name.endswith("_1"):
                features[len(features) + 1] = x
                if len(features) == level:
                    break
            if name in POOLED:
                x, skips[POOLED[name]] = self.pool(x)
        return features, skips

    def pool(self, x: Tensor) -> tuple[Tensor, Skip]:
        """The maximum of each 2x2 block, of what there is of it at an odd side."""
        return _POOLINGS[self.unpooling].pool(x)

    def unpool(self, x: Tensor, skip: Skip) -> Tensor:
        """(B, C, ceil(H/2), ceil(W/2)) to the (B, C, H, W) that was pooled, as far as it is known."""
        return _POOLINGS[self.unpooling].unpool(x, skip)

    def offered(self, name: str, made: Tensor) -> Tensor:
        """What the decoder sees where it undoes a convolution that made this, at best."""
        return self.unpool(*self.pool(made)) if name in POOLED else made

    def undo(self, name: str, x: Tensor, skips: Skips) -> Tensor:
        """Undo one of the encoder's convolutions, and first the pooling behind it."""
        if name in POOLED:
            x = self.unpool(x, skips[POOLED[name]])
        undone: Tensor = self.decoding(name)(x, rectify=name != "conv1_1")
        return undone

    def decode(self, x: Tensor, skips: Skips) -> Tensor:
        """A feature relu`level`_1 to the picture (B, 3, H, W), unclipped."""
        for name in reversed(self.convolutions):
            x = self.undo(name, x, skips)
        return x

    def decoding(self, name: str) -> ReflectedConvolution:
        """The convolution that undoes the encoder's of this name."""
        return cast(ReflectedConvolution, self.decoder[name])

    def forward(self, picture: Tensor) -> Tensor:
        """There and back with nothing transferred."""
        features, skips = self.encode_all(picture)
        return self.decode(features[self.level], skips)
