"""The closed-form start of a decoder.

Each of its convolutions undoes one of the encoder's; the best linear answer to that is a ridge regression.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_POSITIONS = 500  # of every batch


class Mirrored(Protocol):
    """A network whose decoder has the reverse of each of its encoder's convolutions."""

    encoder: nn.ModuleDict
    decoder: nn.ModuleDict
    convolutions: tuple[str, ...]

    def encode_all(self, x: Tensor) -> tuple[dict[int, Tensor], Any]:
        """The features of all levels, and what the poolings laid aside."""

    def decoding(self, name: str) -> nn.Conv2d:
        """The convolution that undoes the encoder's of this name."""

    def offered(self, name: str, made: Tensor) -> Tensor:
        """What the decoder sees, at best, where it undoes a convolution that made this."""

    def undo(self, name: str, x: Tensor, skips: Any) -> Tensor:
        """Undo one of the encoder's convolutions."""


class Trace(NamedTuple):
    """What the encoder did to a picture, by the names of its convolutions.

    Attributes:
        given: to each convolution; to conv1_1 the picture itself.
        made: by each convolution, after its ReLU.
        skips: of the poolings.
    """

    given: dict[str, Tensor]
    made: dict[str, Tensor]
    skips: Any


def trace(network: Mirrored, picture: Tensor) -> Trace:
    """Encode a picture and keep everything on the way."""
    given: dict[str, Tensor] = {}
    made: dict[str, Tensor] = {}

    def keep(name: str, _: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        given[name], made[name] = inputs[0], output  # the ReLU that follows works in place

    hooks = [
        network.encoder[name].register_forward_hook(partial(keep, name)) for name in network.convolutions
    ]
    _, skips = network.encode_all(picture)
    for hook in hooks:
        hook.remove()
    return Trace(given | {"conv1_1": picture}, made, skips)


@torch.no_grad()
def measure_units(network: Mirrored, pictures: Iterable[Tensor]) -> Tensor:
    """(N,) the mean activation of each encoder layer; see `vgg19_weights.vgg19_encoder`."""
    means = [[float(x.mean()) for x in trace(network, picture).made.values()] for picture in pictures]
    return torch.tensor(means, dtype=torch.float64).mean(0).float()


@torch.no_grad()
def regress(
    network: Mirrored, batches: Iterator[Tensor], *, samples: int = 40_000, ridge: float = 1e-4, seed: int = 0
) -> dict[str, Tensor]:
    """Set every decoder convolution to the regression of what the encoder's was given on what it made.

    What cat5 lays side by side tells the same twice, since the bands add up to the original; each side gets
    half of the answer. Left to itself a regression would hardly listen to LL, and LL is where the style is.

    Args:
        network: gets its decoder; its encoder is set.
        batches: pictures.
        samples: positions that each regression sees.
        ridge: the penalty, as a share of the inputs' mean square.
        seed: of the choice of positions.

    Returns:
        The second moments (9C + 1, 9C + 1) of the windows that each decoder convolution is offered, with a 1
        appended; `cat5` is offered them in five parts.
    """
    choose = torch.Generator().manual_seed(seed)
    sums: dict[str, tuple[Tensor, Tensor]] = {}
    rounds = math.ceil(samples / _POSITIONS)
    for _ in range(rounds):
        given, made, _ = trace(network, next(batches))
        for name in network.convolutions:
            x, y = _windows(network.offered(name, made[name]), given[name], choose)
            if name in sums:
                sums[name][0].addmm_(x.T, x)
                sums[name][1].addmm_(x.T, y)
            else:
                sums[name] = x.T @ x, x.T @ y
    for name, (gram, answer) in sums.items():
        gram = gram.double()
        gram.diagonal()[:-1] += ridge * gram.diagonal()[:-1].mean()
        solution = torch.cholesky_solve(answer.double(), torch.linalg.cholesky(gram)).T
        weight = solution[:, :-1].reshape(solution.shape[0], -1, 3, 3)
        convolution = network.decoding(name)
        if convolution.in_channels == 5 * weight.shape[1]:
            weight = weight.repeat(1, 5, 1, 1) / 2
        convolution.load_state_dict({"weight": weight, "bias": solution[:, -1]})
    return {name: gram / (rounds * _POSITIONS) for name, (gram, _) in sums.items()}


def _windows(x: Tensor, y: Tensor, choose: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random 3x3 windows of x, with a 1 appended, and what y is there: (N, 9C + 1) and (N, O)."""
    batch, _, height, width = x.shape
    where = torch.randint(batch * height * width, (_POSITIONS,), generator=choose).to(x.device)
    picture, row, column = where // (height * width), where // width % height, where % width
    windows = F.pad(x, (1, 1, 1, 1), mode="reflect").unfold(2, 3, 1).unfold(3, 3, 1)
    return F.pad(windows[picture, :, row, column].flatten(1), (0, 1), value=1.0), y[picture, :, row, column]
