"""Train `compact` through the matching: what counts is the picture that a transfer gives.

Starts where `distil` ended. Each batch transfers every photo to the light of the next; the affine maps of the
matching are constants of the step, so nothing is differentiated through an eigen-decomposition. Losses: the
Gram distance to the style, the structure and the flatness of the content, closeness of the network's own
picture to a local affine map of the content (the photorealism condition), and all of `distil`'s, which keep
the features the teacher's and the blocks inverses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from haarmony.carry import affine_field, apply_field
from haarmony.errors import InputError
from haarmony.losses import edges, false_gradient, gram, gram_distances, luma, ssim
from haarmony.matching import gaussian_ot
from haarmony.methods.sites import traverse
from haarmony.moments import Moments
from haarmony.networks.compact import Compact
from haarmony.networks.vgg_features import VGGFeatures
from haarmony.training.checkpoint import load_checkpoint, resume, save_checkpoint
from haarmony.training.distil import inversion_losses
from haarmony.training.photos import crops
from haarmony.training.precision import half_precision
from haarmony.training.schedule import learning_rate
from haarmony.training.validation import sheet, squares, validate


@dataclass(frozen=True)
class TransferSettings:
    """What a run is made of; stored with its checkpoint."""

    steps: int = 2000
    size: int = 256
    batch: int = 4
    learning_rate: float = 1e-3
    noise: float = 0.05
    seed: int = 1
    gram: float = 1.7
    structure: float = 0.2
    edges: float = 2.6
    flatness: float = 0.15
    affine: float = 20.0
    invert: float = 0.5
    picture: float = 0.5

    def __post_init__(self) -> None:
        if self.size % 16:
            raise InputError(
                f"the size of a crop is a multiple of 16, for halves that pool thrice: got {self.size}"
            )


def transfer_batch(network: Compact, picture: Tensor, plain: dict[int, Tensor], *, ridge: float) -> Tensor:
    """Each picture of a batch with the light of the one before it, as the network decodes it.

    Args:
        network: whose decoder is to be trained.
        picture: (B, 3, H, W).
        plain: the pictures' own features, by level.
        ridge: of the matching.
    """
    styles = {
        f"encoder{level}": [Moments.of(f) for f in feature.roll(1, 0)] for level, feature in plain.items()
    }

    def match(site: str, feature: Tensor) -> Tensor:
        pairs = zip(feature, styles[site], strict=True)
        return torch.cat([gaussian_ot(Moments.of(f), style, ridge=ridge)(f[None]) for f, style in pairs])

    return traverse(network, picture, ("encoder",), match)


def transfer_losses(
    network: Compact,
    teacher: VGGFeatures,
    picture: Tensor,
    settings: TransferSettings,
    *,
    ridge: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """All losses of one batch, each a mean over it."""
    with torch.no_grad():
        with half_precision(picture.device):
            own = [gram(feature.float()) for feature in teacher(picture)]
        plain, skips = network.encode_all(picture)
    wanted = [g.roll(1, 0) for g in own]
    untouched = gram_distances(own, wanted)
    inversion, restored = inversion_losses(
        network, plain, skips, picture, noise=settings.noise, generator=generator
    )
    raw = transfer_batch(network, picture, plain, ridge=ridge) + (picture - restored.detach())
    carried = apply_field(picture, affine_field(picture, raw))
    output = carried.clamp(0, 1)
    with half_precision(picture.device):
        features = teacher(output)
    distances = gram_distances([gram(feature.float()) for feature in features], wanted)
    ratio = distances.sum(0) / (untouched.sum(0) + 0.25 * untouched.sum(0).mean())
    layers = distances / (untouched + 0.25 * untouched.mean(1, keepdim=True))
    before, after = luma(picture), luma(output)
    error = (restored - picture).square().mean((1, 2, 3))
    return inversion | {
        "picture": (error + 1e-5).log().mean(),
        "gram": 0.7 * ratio.mean() + 0.3 * layers.mean(),
        "structure": 1 - ssim(before, after).mean(),
        "edges": 1 - ssim(edges(before), edges(after)).mean(),
        "flatness": false_gradient(picture, output).mean(),
        "affine": F.mse_loss(raw, carried) + F.mse_loss(carried, output),
    }


def train_transfer(
    photos: list[Tensor],
    teacher: VGGFeatures,
    folder: Path,
    settings: TransferSettings,
    *,
    ridge: float = 1e-3,
    validation: Sequence[Tensor] = (),
    device: str = "cpu",
    log_every: int = 25,
    validate_every: int = 250,
) -> Compact:
    """Train on from `folder`/distil.pt, or go on from `folder`/transfer.pt.

    Args:
        photos: uint8 (3, H, W), from `load_photos`.
        teacher: VGG-19.
        folder: holds the distilled network and receives the checkpoint.
        settings: the recipe.
        ridge: of the matching.
        validation: photos for the PSNR and the sheet of transfers.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.
        validate_every: steps between two looks at the validation photos.
    """
    path = folder / "transfer.pt"
    network: Compact = Compact().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    teacher = teacher.to(device)
    decoder = [*network.correct.parameters(), *network.unmix.parameters()]
    for frozen in (network.mix, network.bend):
        frozen.requires_grad_(False)
    optimiser = torch.optim.Adam(decoder, lr=settings.learning_rate, betas=(0.9, 0.99))
    state = resume(path, asdict(settings))
    distilled = load_checkpoint(folder / "distil.pt")
    if distilled is None:
        raise InputError(f"{folder} holds no distil.pt to start from: distil first")
    start = 0
    if state is None:
        network.load_state_dict(distilled["network"])
    else:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = state["step"]
    sums: dict[str, float] = {}
    for step in range(start, settings.steps):
        generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
        picture = crops(photos, size=settings.size, batch=settings.batch, seed=settings.seed, step=step).to(
            device, memory_format=torch.channels_last
        )
        losses = transfer_losses(network, teacher, picture, settings, ridge=ridge, generator=generator)
        total = torch.stack(
            [getattr(settings, name.rstrip("1234")) * loss for name, loss in losses.items()]
        ).sum()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings.steps, settings.learning_rate)
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(decoder, 1.0)
        optimiser.step()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() / log_every
        if (step + 1) % log_every == 0 or step + 1 == settings.steps:
            print(
                f"step {step + 1} " + " ".join(f"{name} {value:.4f}" for name, value in sums.items()),
                flush=True,
            )
            sums = {}
            save_checkpoint(
                path,
                {
                    "step": step + 1,
                    "settings": asdict(settings),
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                },
            )
        if validation and ((step + 1) % validate_every == 0 or step + 1 == settings.steps):
            print(
                f"step {step + 1} validation median psnr {median(validate(network, validation)):.2f}",
                flush=True,
            )
            looked_at = squares(validation[:4]).to(device)
            with torch.no_grad():
                plain, _ = network.encode_all(looked_at)
                restored, raw = network(looked_at), transfer_batch(network, looked_at, plain, ridge=ridge)
                carried = apply_field(looked_at, affine_field(looked_at, raw + looked_at - restored))
            sheet([looked_at, restored, raw, carried], folder / "transfer.png")
    return network


def export(checkpoint: Path, target: Path) -> None:
    """Write the network of distil.pt or transfer.pt as fp16 safetensors, the form that ships."""
    state = load_checkpoint(checkpoint)
    if state is None:
        raise InputError(f"no checkpoint at {checkpoint}: train first")
    tensors = {name: tensor.half().contiguous() for name, tensor in state["network"].items()}
    part = target.with_name(target.name + ".part")
    save_file(tensors, part, {name: str(value) for name, value in state["settings"].items()})
    part.replace(target)
