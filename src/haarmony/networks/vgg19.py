"""The reference network of WCT2: VGG-19 to conv4_1 with Haar pooling, and a decoder that mirrors it.

Two variants differ in how a decoder takes back what the pooling laid aside (Yoo et al., ICCV 2019, section
3.2 and table 1). `sum` adds the four synthesised bands, the exact inverse of the pooling, into one map;
`cat5` lays the four, each synthesised alone, and the feature from before the pooling side by side. `sum` also
takes the poolings that Haar's was compared with. Names and shapes in `encoder.state_dict()` and
`decoder.state_dict()` are those of the published checkpoints, less the Haar filters, which are fixed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.networks import rounded, strips, winograd
from haarmony.networks.autoencoder import Skip, Skips, WaveletAutoencoder
from haarmony.networks.pooling import POOLING_NAMES, POOLINGS, LearnedPooling, Pooling, PoolingName
from haarmony.pages import traced
from haarmony.remembered import remembered
from haarmony.wavelets import Bands, haar_filters, haar_merge

Variant = Literal["sum", "cat5"]

ENCODER = {
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
    "conv3_2": (256, 256),
    "conv3_3": (256, 256),
    "conv3_4": (256, 256),
    "conv4_1": (256, 512),
}
"""Channels in and out of the encoder's 3x3 convolutions, in order; the decoder has the reverse of each."""

POOLED = {"conv1_2": 1, "conv2_2": 2, "conv3_4": 3}
"""The number of the pooling that follows a convolution."""

_Levels = dict[int, tuple[str, ...]]
_ENCODE: dict[Variant, _Levels] = {
    "sum": {
        1: ("conv1_1", "conv1_2"),
        2: ("conv2_1", "conv2_2"),
        3: ("conv3_1", "conv3_2", "conv3_3", "conv3_4"),
        4: ("conv4_1",),
    },
    "cat5": {
        1: ("conv1_1",),
        2: ("conv1_2", "conv2_1"),
        3: ("conv2_2", "conv3_1"),
        4: ("conv3_2", "conv3_3", "conv3_4", "conv4_1"),
    },
}
_DECODE: _Levels = {level: names[::-1] for level, names in _ENCODE["cat5"].items()}  # of both variants


class VGG19(WaveletAutoencoder):
    """VGG-19 (Simonyan and Zisserman 2015) to relu4_1, reflection-padded, and its mirrored decoder.

    Attributes:
        variant: `sum` or `cat5`.
        poolings: what is learned of them, by the convolution that each follows; empty but for `learned`.
        gain: by how much what a pooling passes on of a constant block is larger than the block.
        encoder: VGG's convolutions, after `conv0`, a 1x1 convolution of the RGB picture that holds VGG's
            preprocessing.
        decoder: convolutions named after those that they undo.
    """

    convolutions = tuple(ENCODER)
    smallest = 9  # a shorter side would be one pixel at conv4_1, where there is nothing to reflect
    encoder_reach = 8, 8, 24, 32
    reach = 72
    bytes_per_pixel = 2000
    bytes_aside = 1 << 29
    encoder: nn.ModuleDict
    decoder: nn.ModuleDict

    def __init__(self, variant: Variant = "cat5", pooling: PoolingName = "haar") -> None:
        """Build the network with torch's random weights; `haarmony.networks.weights` has trained ones.

        Raises:
            InputError: for an unknown variant or pooling, or one that does not go with the other.
        """
        super().__init__()
        if variant not in _ENCODE:
            raise InputError(f"unknown variant {variant!r}: choose sum or cat5")
        if pooling not in POOLING_NAMES or (variant == "cat5" and pooling != "haar"):
            raise InputError(
                f"{variant} does not pool by {pooling!r}: choose haar, or with sum {', '.join(POOLING_NAMES)}"
            )
        self.variant = variant
        self._pooling = POOLINGS.get(pooling)
        self.gain = self._pooling.gain if self._pooling else 1.0
        self.poolings = nn.ModuleDict()
        if self._pooling is None:
            self.poolings.update({name: LearnedPooling(ENCODER[name][1]) for name in POOLED})
        self.encoder = nn.ModuleDict({"conv0": nn.Conv2d(3, 3, 1)})
        self.decoder = nn.ModuleDict()
        for name, (before, after) in ENCODER.items():
            self.encoder[name] = ReflectedConvolution(before, after)
        for name, (before, after) in reversed(ENCODER.items()):
            undoing = self._decoder_name(name)
            self.decoder[undoing] = ReflectedConvolution(after if undoing == name else 5 * after, before)

    def encode(self, level: int, x: Tensor, skips: Skips) -> Tensor:
        """Encode one level; see `WaveletAutoencoder.encode`. No feature is negative.

        Raises:
            InputError: for a picture that is not (B, 3, H, W) with sides of at least 9 pixels.
        """
        if level == 1:
            if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[-2:]) < self.smallest:
                raise InputError(
                    f"expected a picture (batch, 3, height, width) with sides >= {self.smallest}, "
                    f"got {tuple(x.shape)}"
                )
            x = self.encoder["conv0"](x.contiguous(memory_format=torch.channels_last))
        for name in _ENCODE[self.variant][level]:
            x = self.encoder[name](x, rectify=True)
            if name in POOLED:
                original = x
                x, skip = self._pooling_behind(name).pool(x)
                skips[POOLED[name]] = replace(skip, original=original) if self.variant == "cat5" else skip
        return x

    def decode(self, level: int, x: Tensor, skips: Skips) -> Tensor:
        """Decode one level; see `WaveletAutoencoder.decode`."""
        for name in _DECODE[level]:
            x = self.undo(name, x, skips)
        return x

    def undo(self, name: str, x: Tensor, skips: Skips) -> Tensor:
        """Undo one of the encoder's convolutions, and first the pooling behind it."""
        convolution = self.decoding(name)
        rectify = name != "conv1_1"
        if name in POOLED:
            skip = skips[POOLED[name]]
            if self.variant == "cat5":
                may_round = convolution.may_round
                return unpool_convolve(x, skip, convolution, rectify=rectify, may_round=may_round)
            x = self._pooling_behind(name).unpool(x, skip)
        undone: Tensor = convolution(x, rectify=rectify)
        return undone

    def offered(self, name: str, made: Tensor) -> Tensor:
        """What the decoder sees where it undoes a convolution that made this: all that the pooling keeps."""
        if name not in POOLED:
            return made
        pooling = self._pooling_behind(name)
        return pooling.unpool(*pooling.pool(made))

    def decoding(self, name: str) -> "ReflectedConvolution":
        """The convolution that undoes the encoder's of this name: `conv3_4_2` for cat5's `conv3_4`."""
        return cast(ReflectedConvolution, self.decoder[self._decoder_name(name)])

    def allow_bfloat16(self) -> None:
        """See `WaveletAutoencoder.allow_bfloat16`. Features are as exact as before between convolutions."""
        if next(self.parameters()).device.type != "cpu":
            raise InputError("bfloat16 is for the CPU: on a GPU leave the precision out")
        if not rounded.is_quick():
            raise InputError(
                "this processor has no products of matrices of bfloat16 (AMX), or this torch does not use "
                "them: leave the precision out"
            )
        for module in self.modules():
            if isinstance(module, ReflectedConvolution):
                module.may_round = True

    def _pooling_behind(self, name: str) -> Pooling | LearnedPooling:
        return self._pooling or cast(LearnedPooling, self.poolings[name])

    def _decoder_name(self, name: str) -> str:
        return f"{name}_2" if self.variant == "cat5" and name in POOLED else name


class ReflectedConvolution(nn.Conv2d):
    """A 3x3 convolution of the reflected picture; see `convolve_reflected`.

    Attributes:
        may_round: whether what it convolves may be rounded to bfloat16 where that is quicker; see `rounded`.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 3, padding=1, padding_mode="reflect")
        self.may_round = False

    def forward(self, x: Tensor, *, rectify: bool = False) -> Tensor:
        """Convolve (B, C, H, W) to (B, O, H, W), and apply ReLU where asked to."""
        if strips.serves(x, self.weight, self.bias):
            prepared = _preparing(self.weight, may_round=self.may_round)
            kernel = prepared("all", self.weight, self.bias, _size(x), lambda weight: weight)
            return strips.convolve(x, kernel, beyond="reflected", rectify=rectify)
        out = convolve_reflected(x, self.weight, self.bias)
        return F.relu_(out) if rectify else out


def _preparing(weight: Tensor, *, may_round: bool) -> Callable[..., strips.Kernel]:
    return rounded.prepared if may_round and rounded.serves(weight) else winograd.prepared


def convolve_reflected(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 3x3 convolution that sees x reflected beyond its border. Sides are at least 2.

    On a CPU without a padded copy of x: zeros beyond the border spoil the outermost lines alone, and those
    are convolved again. Elsewhere a copy costs less than so many small convolutions.
    """
    if x.device.type != "cpu":
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)
    out = F.conv2d(x, weight, bias, padding=1)
    for line, near, pad in ((0, slice(0, 2), (1, 0)), (-1, slice(-2, None), (0, 1))):
        rows = F.pad(x[..., near, :], (1, 1, *pad), mode="reflect")
        columns = F.pad(x[..., near], (*pad, 1, 1), mode="reflect")
        out[..., line, :] = F.conv2d(rows, weight, bias)[..., 0, :]
        out[..., line] = F.conv2d(columns, weight, bias)[..., 0]
    return out


def unpool_concatenated(low: Tensor, skip: Skip) -> Tensor:
    """The unpooling of cat5: the four bands, each synthesised alone, and the original.

    Args:
        low: (B, C, h, w), LL.
        skip: what the pooling laid aside, with the original.

    Returns:
        (B, 5C, 2h, 2w). Where a side of the original is odd it is padded as `haar_split` pads it.
    """
    nothing = torch.zeros_like(low)
    bands = (low, *skip.high)
    alone = [haar_merge(Bands(*(b if i == k else nothing for i, b in enumerate(bands)))) for k in range(4)]
    return torch.cat([*alone, _even(skip)], 1)


def unpool_convolve(
    low: Tensor, skip: Skip, convolution: nn.Conv2d, *, rectify: bool = False, may_round: bool = False
) -> Tensor:
    """`convolution(unpool_concatenated(low, skip))`, cut to the size before the pooling, at half the cost.

    A synthesised band is a small map blown up by a 2x2 filter, so a 3x3 convolution of it is, at each of the
    four positions in a 2x2 block, a 2x2 convolution of the small map: 16 products where there were 36.
    Reflection at the border of the large map is repetition at the border of the small one.

    Args:
        low: (B, C, h, w), LL.
        skip: what the pooling laid aside, with the original (B, C, H, W).
        convolution: 3x3, reflection-padded, 5C channels to any number.
        rectify: whether to apply ReLU.
        may_round: see `ReflectedConvolution`.

    Returns:
        (B, channels out, H, W).
    """
    weight, bias = convolution.weight, convolution.bias
    channels, original = 4 * low.shape[1], _even(skip)
    if strips.serves(original, weight, bias, low, *skip.high):
        prepared = _preparing(weight, may_round=may_round)
        height, width = _size(low)
        kernel = prepared(
            "original", weight, bias, (2 * height, 2 * width), lambda whole: whole[:, channels:]
        )
        out = strips.convolve(original, kernel, beyond="reflected")
        phases = prepared(
            "phases",
            weight,
            None,
            (height + 1, width + 1),
            lambda whole: _phase_kernels(whole[:, :channels]).flatten(0, 2),
        )
        for number, target in enumerate(out.permute(0, 2, 3, 1)):
            bands = [band[number] for band in (low, *skip.high)]
            _add_phases(bands, phases, target, rectify=rectify)
    else:
        padded = F.pad(torch.cat([low, *skip.high], 1), (1, 1, 1, 1), mode="replicate")
        kernels = _kept_phase_kernels(weight, channels)
        height, width = _size(low)
        out = convolve_reflected(original, weight[:, channels:], bias)
        for row in range(2):
            for column in range(2):
                phase = F.conv2d(padded, kernels[row, column])
                out[..., row::2, column::2].add_(phase[..., row : row + height, column : column + width])
        if rectify:
            F.relu_(out)
    return out[..., : skip.size[0], : skip.size[1]]


def _add_phases(bands: Sequence[Tensor], kernel: strips.Kernel, out: Tensor, *, rectify: bool) -> None:
    """Add the four phases, strip by strip, to (2h, 2w, O), and apply ReLU where asked to.

    The strip's row u belongs to the rows 2u (phase 0) and 2u - 1 (phase 1), and so do its columns.
    """
    height, width = _size(bands[0])

    def add(top: int, strip: Tensor) -> None:
        end = top + len(strip)
        parts = strip.view(len(strip), width + 1, 2, 2, -1)
        for row in range(2):
            first, last = max(top, row), min(end, height + row)
            lines = out[2 * first - row : 2 * last - row : 2]
            for column in range(2):
                part = parts[first - top : last - top, column : column + width, row, column]
                lines[:, column::2].add_(part)
        if rectify:
            out[max(0, 2 * top - 1) : 2 * end - 1].clamp_min_(0)

    strips.convolve_strips(bands, kernel, add, beyond="repeated")


def _kept_phase_kernels(weight: Tensor, channels: int) -> Tensor:
    """`_phase_kernels` of the first channels of a weight; made once where nothing is learnt."""

    def make() -> Tensor:
        return _phase_kernels(weight[:, :channels])

    learns = torch.is_grad_enabled() and weight.requires_grad
    return make() if learns or traced() else remembered("phase kernels", (weight,), channels, make)


def _phase_kernels(kernel: Tensor) -> Tensor:
    """3x3 kernels (O, 4C, 3, 3) over LL, LH, HL, HH as 2x2 kernels (2, 2, O, 4C, 2, 2), one a position."""
    low, high = haar_filters()[0, :, 0] * 2**0.5, haar_filters()[2, :, 0] * 2**0.5
    # fold[band, position, small tap, large tap], along one side. The large map at 2i + position + tap - 1 is
    # the small one at i + cell, times the filter's value at phase; small taps begin at i + position - 1.
    fold = torch.zeros(2, 2, 2, 3)
    for band, synthesis in enumerate((low, high)):
        for position in range(2):
            for tap in range(3):
                cell, phase = divmod(position + tap - 1, 2)
                fold[band, position, cell + 1 - position, tap] = synthesis[phase]
    fold = fold.to(kernel)
    outputs, inputs = kernel.shape[:2]
    bands = kernel.reshape(outputs, 2, 2, inputs // 4, 3, 3)
    return torch.einsum("apuy,bqvx,oabcyx->pqoabcuv", fold, fold, bands).flatten(3, 5)


def _even(skip: Skip) -> Tensor:
    if skip.original is None:
        raise InputError("expected skips with the original: encode with the cat5 network")
    height, width = skip.size
    if height % 2 == 0 and width % 2 == 0:
        return skip.original
    return F.pad(skip.original, (0, width % 2, 0, height % 2), mode="replicate")


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
