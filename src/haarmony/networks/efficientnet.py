"""EfficientNet-lite as a backbone: EfficientNet (Tan and Le 2019) without squeeze-and-excitation and swish.

Its blocks are those of MobileNetV2 (Sandler et al. 2018): a 1x1 convolution to many channels, one of each
channel by itself, and a 1x1 convolution to few, which is not rectified. The lite ones, 0 to 4, were given by
Google in 2020 (tensorflow/tpu, models/official/efficientnet/lite), with ReLU6 throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.errors import WeightsError
from haarmony.networks.backbone import Backbone
from haarmony.networks.folding import Convolutions

_MEAN, _DEVIATION = 127 / 255, 128 / 255
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_EPSILON: Final = 1e-3
"""Added to the variance by the batch norms of TensorFlow's network."""


class Convolution(nn.Module):
    """A convolution with TensorFlow's padding: zeros, the odd one behind the picture."""

    def __init__(self, weight: Tensor, bias: Tensor, *, stride: int = 1, groups: int = 1) -> None:
        """Take a weight (out, in / groups, k, k) and a bias (out,)."""
        super().__init__()
        self.weight, self.bias = (nn.Parameter(one, requires_grad=False) for one in (weight, bias))
        self.stride, self.groups = stride, groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride), rounded up."""
        kernel, sides = self.weight.shape[-1], (x.shape[-1], x.shape[-2])
        beyond = [max((-(-side // self.stride) - 1) * self.stride + kernel - side, 0) for side in sides]
        padded = F.pad(x, [part for zeros in beyond for part in (zeros // 2, zeros - zeros // 2)])
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """Wide, one channel by itself, narrow; added to what came in where that has the same shape."""

    def __init__(self, wide: Convolution | None, alone: Convolution, narrow: Convolution) -> None:
        """Take the convolutions; a block without the first is as wide as what comes in."""
        super().__init__()
        self.wide, self.alone, self.narrow = wide, alone, narrow
        before = alone if wide is None else wide
        self.adds = alone.stride == 1 and before.weight.shape[1] == narrow.weight.shape[0]

    def widened(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the rectified (B, C', H, W) that the block works on."""
        return x if self.wide is None else F.relu6(self.wide(x))

    def narrowed(self, x: Tensor, widened: Tensor) -> Tensor:
        """What came in and that, widened, to (B, C'', H / stride, W / stride), rounded up."""
        y: Tensor = self.narrow(F.relu6(self.alone(widened)))
        return x + y if self.adds else y


class EfficientNetLite(Backbone):
    """`relu1`, the stem; `stage1` to `stage7`, the ends of the stages; behind each, `relu2` to `relu8`.

    The ends are narrow and not rectified. Behind them comes what the next stage's first block widens, at the
    same resolution, and rectifies; `relu8` is the last before the classifier. `relu1` and `relu2` have 1/2 of
    the picture's sides, `relu3` 1/4, `relu4` 1/8, `relu5` and `relu6` 1/16, `relu7` and `relu8` 1/32. A Gram
    matrix tells more of what is rectified, so style looks at these, down to the resolution of VGG's relu5_1
    (deeper ones outweigh the others, and colours hardly move); content looks at `relu4`, at that of relu4_2.
    """

    layers = (*(f"{kind}{number}" for number in range(1, 8) for kind in ("relu", "stage")), "relu8")
    style_layers = ("relu1", "relu2", "relu3", "relu4", "relu5")
    content_layers = ("relu4",)
    smallest = 32

    def __init__(self, stem: Convolution, stages: Sequence[Sequence[Block]], head: Convolution) -> None:
        """Put a network together.

        Args:
            stem: the first convolution, of RGB in about [-1, 1].
            stages: seven, of blocks.
            head: the last convolution, of the last stage's channels.
        """
        super().__init__()
        self.stem, self.head = stem, head
        self.stages = nn.ModuleList(nn.ModuleList(blocks) for blocks in stages)

    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """See `Backbone.features`."""
        left = set(wanted)
        self.check(left)
        found: dict[str, Tensor] = {}
        walk = self._walk((picture - _MEAN) / _DEVIATION)
        while found.keys() != left:
            name, x = next(walk)
            if name in left:
                found[name] = x
        return found

    def _walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The layers by name, in order, each made when it is asked for."""
        x = F.relu6(self.stem(x))
        for number, blocks in enumerate(self.stages, start=1):
            for place, block in enumerate(cast(Iterable[Block], blocks)):
                widened = block.widened(x)
                if place == 0:
                    yield f"relu{number}", widened
                x = block.narrowed(x, widened)
            yield f"stage{number}", x
        yield "relu8", F.relu6(self.head(x))


def efficientnet_lite(state: Mapping[str, Tensor], path: str) -> EfficientNetLite:
    """An EfficientNet-lite from efficientnet_lite_pytorch's state dict; depth and widths are read off it.

    A stage begins where a block gives other channels than it is given. Strides leave no trace in the weights:
    they are the published ones, in the first block of a stage.

    Args:
        state: tensors by name.
        path: of the file, for the errors.

    Raises:
        WeightsError: for tensors that are missing, misshapen or too many.
    """
    known = Convolutions(state, path, "EfficientNet-lite of efficientnet_lite_pytorch's naming", _EPSILON)
    stem = Convolution(*known.take("_conv_stem", "_bn0", channels=3, kernel=3), stride=2)
    channels = len(stem.bias)
    found = (re.match(r"_blocks\.(\d+)\.", key) for key in state)
    last = max((int(match[1]) for match in found if match), default=0)
    stages: list[list[Block]] = []
    for name in (f"_blocks.{number}" for number in range(last + 1)):
        width, wide = channels, None
        if stages:
            wide = Convolution(*known.take(f"{name}._expand_conv", f"{name}._bn0", channels=width, kernel=1))
            width = len(wide.bias)
        narrow = Convolution(*known.take(f"{name}._project_conv", f"{name}._bn2", channels=width, kernel=1))
        begins = not stages or len(narrow.bias) != channels
        if begins:
            stages.append([])
        stride = _STRIDES[len(stages) - 1] if begins and len(stages) <= len(_STRIDES) else 1
        weight = state.get(f"{name}._depthwise_conv.weight")
        kernel = 5 if weight is not None and weight.shape[-1:] == (5,) else 3
        alone = known.take(f"{name}._depthwise_conv", f"{name}._bn1", channels=1, kernel=kernel, out=width)
        stages[-1].append(Block(wide, Convolution(*alone, stride=stride, groups=width), narrow))
        channels = len(narrow.bias)
    if len(stages) != len(_STRIDES):
        raise WeightsError(
            f"{path} is no EfficientNet-lite: its blocks make {len(stages)} stages, expected {len(_STRIDES)}"
        )
    head = Convolution(*known.take("_conv_head", "_bn1", channels=channels, kernel=1))
    known.expect_no_more(head="_fc.")
    return EfficientNetLite(stem, stages, head)
