"""Teach `compact` to decode without its skips: from the features of photographs, and from matched ones.

The encoder is frozen. Half of the loss is of pictures that are encoded and decoded, from every level; the
other half is AdaIN's, of pictures with the statistics of others. What a decoded picture looks like is judged
by the encoder itself, which was distilled from VGG-19's features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.matching import mean_std
from haarmony.moments import Moments
from haarmony.networks.autoencoder import WaveletAutoencoder
from haarmony.networks.compact import Compact
from haarmony.networks.imagined import OWN, ImaginedCompact
from haarmony.training.checkpoint import load_checkpoint, resume, save_checkpoint
from haarmony.training.objectives import log_error, statistics
from haarmony.training.photos import crops, recoloured
from haarmony.training.schedule import learning_rate
from haarmony.training.validation import psnr, sheet, squares

CHECKPOINT = "imagined.pt"
_SMALLEST = 16
"""Of a crop: less has no statistics at level 4, which is reduced eightfold."""


@dataclass(frozen=True)
class ImaginedSettings:
    """What a run is made of; stored with its checkpoint.

    Attributes:
        steps: in all.
        size: side of the square crops, in pixels.
        batch: crops a step.
        learning_rate: the peak of Adam's.
        seen_weight: of the features of a decoded picture beside the picture itself.
        stylised_weight: of the stylised pictures beside those that come back.
        style_weight: of the style beside the content of stylised pictures.
        recolour: share of the crops that get other colours.
        seed: of everything random.
    """

    steps: int = 2000
    size: int = 96
    batch: int = 4
    learning_rate: float = 2e-3
    seen_weight: float = 0.3
    stylised_weight: float = 0.5
    style_weight: float = 3.0
    recolour: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < _SMALLEST:
            raise InputError(f"the size of a crop is {_SMALLEST} or more, got {self.size}")


def imagined_loss(
    network: ImaginedCompact, picture: Tensor, settings: ImaginedSettings
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and the log error of what comes back from level 4."""
    with torch.no_grad():
        own, aside = network.encode(picture, 4)
        moments = [Moments.of(feature) for feature in own[4]]
        pairs = zip(own[4], moments, [moments[-1], *moments[:-1]], strict=True)
        wanted = torch.cat([mean_std(content, style)(feature[None]) for feature, content, style in pairs])
    error, loss = picture.new_zeros(()), picture.new_zeros(())
    for level in own:
        back = network.decode(own[level], level, aside)
        seen, _ = network.encode(back, level)
        error = log_error(back, picture)
        loss = loss + error + settings.seen_weight * sum(log_error(seen[k], own[k]) for k in seen)
    seen, _ = network.encode(network.decode(wanted, 4, aside), 4)
    differences = [_relative(statistics(seen[k]), statistics(own[k]).roll(1, 0)) for k in seen]
    style = torch.stack(differences).sum(0)
    stylised = (_relative(seen[4], wanted) + settings.style_weight * style).add(1e-4).log().mean()
    return loss + settings.stylised_weight * stylised, error.detach()


def _relative(made: Tensor, wanted: Tensor) -> Tensor:
    """(B,) the mean square difference over the mean square of what is wanted."""
    return (made - wanted).square().flatten(1).mean(1) / wanted.square().flatten(1).mean(1).clamp_min(1e-8)


def train_imagined(
    compact: WaveletAutoencoder,
    photos: list[Tensor],
    folder: Path,
    settings: ImaginedSettings,
    *,
    validation: Sequence[Tensor] = (),
    device: str = "cpu",
    log_every: int = 50,
) -> ImaginedCompact:
    """Train, or go on from `folder`/imagined.pt.

    Args:
        compact: the trained `Compact`.
        photos: uint8 (3, H, W), from `load_photos`.
        folder: receives the checkpoint, and a sheet when there are photos for validation.
        settings: the recipe.
        validation: photos for the PSNR and the sheet, at the end.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.
    """
    torch.manual_seed(settings.seed)
    network = ImaginedCompact(cast(Compact, compact)).to(device).requires_grad_(False)
    learning = [network.network.correct, network.network.unmix, network.imagine, network.sharpen]
    parameters = [one.requires_grad_(True) for module in learning for one in module.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    first = 0
    if (state := resume(folder / CHECKPOINT, asdict(settings))) is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    for step in range(first, settings.steps):
        batch = crops(photos, size=settings.size, batch=settings.batch, seed=settings.seed, step=step)
        batch = recoloured(batch, settings.recolour, seed=settings.seed, step=step)
        loss, error = imagined_loss(network, batch.to(device), settings)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings.steps, settings.learning_rate)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        done = step + 1
        if done % log_every == 0 or done == settings.steps:
            print(f"step {done} loss {loss.item():.4f} dB {-4.3429 * error.item():.2f}", flush=True)
            state = {"step": done, "settings": asdict(settings), "network": network.state_dict()}
            save_checkpoint(folder / CHECKPOINT, state | {"optimiser": optimiser.state_dict()})
    if validation:
        with torch.no_grad():
            pictures = [photo[None].to(device).float() / 255 for photo in validation]
            scores = [psnr(network(picture, 4), picture) for picture in pictures]
            print(f"median psnr of {len(scores)} photos {median(scores):.2f} dB", flush=True)
            looked_at = squares(validation[:4]).to(device)
            sheet([looked_at, network(looked_at, 3), network(looked_at, 4)], folder / "imagined.png")
    return network


def export(checkpoint: Path, target: Path) -> None:
    """Write the decoder of a checkpoint as fp16 safetensors, the form that ships.

    Raises:
        InputError: when there is no checkpoint.
    """
    state = load_checkpoint(checkpoint)
    if state is None:
        raise InputError(f"no checkpoint at {checkpoint}: train first")
    own = {name: one.half().contiguous() for name, one in state["network"].items() if name.startswith(OWN)}
    part = target.with_name(target.name + ".part")
    save_file(own, part, {"training": json.dumps(state["settings"] | {"step": state["step"]})})
    part.replace(target)
