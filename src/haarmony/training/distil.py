"""Distil VGG-19 into `compact`.

The encoder learns the principal components of the teacher's features, and each decoder block learns to invert
its encoder block. Three losses together, on random crops of photographs:
- distillation: each level's feature against the principal components of relu1_1 ... relu4_1;
- block inverses: decode(k) of the (noisy) feature k against feature k - 1, from LL and the skipped bands
  alone;
- reconstruction of the picture through the whole network.
The noise keeps colour and form out of directions of tiny variance, which matching would amplify.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.moments import Moments
from haarmony.networks.autoencoder import LEVELS, Skips
from haarmony.networks.compact import WIDTHS, Compact
from haarmony.networks.vgg_features import VGGFeatures
from haarmony.training.checkpoint import resume, save_checkpoint
from haarmony.training.photos import crops
from haarmony.training.precision import half_precision
from haarmony.training.schedule import learning_rate
from haarmony.training.validation import sheet, squares, validate
from haarmony.wavelets import haar_split


@dataclass(frozen=True)
class DistilSettings:
    """What a run is made of; stored with its checkpoint."""

    steps: int = 4000
    size: int = 128
    batch: int = 8
    learning_rate: float = 4e-3
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size % 8:
            raise InputError(
                f"the size of a crop is a multiple of 8, for it is pooled thrice: got {self.size}"
            )


class Components(nn.Module):
    """The teacher's features reduced to their principal components, scaled to unit mean variance.

    relu1_1 is at twice the resolution of the first level, so all its four Haar bands are components' input.
    """

    def __init__(self, teacher: VGGFeatures) -> None:
        super().__init__()
        self.teacher = teacher
        for level, (inputs, width) in enumerate(zip((256, 128, 256, 512), WIDTHS, strict=True), start=1):
            self.register_buffer(f"mean{level}", torch.zeros(inputs))
            self.register_buffer(f"basis{level}", torch.zeros(width, inputs))

    @torch.no_grad()
    def features(self, picture: Tensor) -> list[Tensor]:
        """The teacher's features at the resolution of each level."""
        with half_precision(picture.device):
            first, *rest = self.teacher(picture)
        return [torch.cat(haar_split(first.float()), 1), *(feature.float() for feature in rest)]

    @torch.no_grad()
    def forward(self, picture: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to the four targets (B, C_k, h_k, w_k)."""
        targets = []
        for level, feature in zip(LEVELS, self.features(picture), strict=True):
            basis, mean = self.get_buffer(f"basis{level}"), self.get_buffer(f"mean{level}")
            targets.append(F.conv2d(feature, basis[..., None, None], -(basis @ mean)))
        return targets

    @torch.no_grad()
    def fit(self, pictures: list[Tensor]) -> list[float]:
        """Find the components on some pictures; returns the share of variance that each level's hold."""
        found: list[Moments] = []
        for picture in pictures:
            moments = [Moments.of(feature.transpose(0, 1).flatten(1)) for feature in self.features(picture)]
            found = [a + b for a, b in zip(found, moments, strict=True)] if found else moments
        shares = []
        for level, width, whole in zip(LEVELS, WIDTHS, found, strict=True):
            values, vectors = torch.linalg.eigh(whole.covariance())
            values, vectors = values.flip(0), vectors.flip(1)
            scale = values[:width].mean().sqrt()
            self.get_buffer(f"mean{level}").copy_(whole.mean)
            self.get_buffer(f"basis{level}").copy_(vectors[:, :width].T / scale)
            shares.append(float(values[:width].sum() / values.sum()))
        return shares


def distil_losses(features: dict[int, Tensor], targets: list[Tensor]) -> dict[str, Tensor]:
    """Each level's feature against the teacher's components: the share of variance that is not explained."""
    return {
        f"distil{level}": F.mse_loss(features[level], target) / target.var(dim=(0, 2, 3)).mean()
        for level, target in zip(LEVELS, targets, strict=True)
    }


def inversion_losses(
    network: Compact,
    features: dict[int, Tensor],
    skips: Skips,
    picture: Tensor,
    *,
    noise: float,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], Tensor]:
    """How well the decoder inverts the encoder, each loss a share of the wanted answer's variance.

    Args:
        network: whose decoder is judged.
        features: of the picture, by level.
        skips: of the picture.
        picture: (B, 3, H, W).
        noise: standard deviation of what is added to the feature that each block inverts.
        generator: of the noise.

    Returns:
        The losses of each block alone and of the whole, and the picture that the whole gives.
    """
    losses: dict[str, Tensor] = {}
    for level in LEVELS:
        feature = features[level]
        jitter = noise * torch.randn(feature.shape, generator=generator, device=feature.device)
        answer = picture if level == 1 else features[level - 1].detach()
        inverse = network.decode(level, feature + jitter, skips)
        losses[f"invert{level}"] = F.mse_loss(inverse, answer) / answer.detach().var()
    x = features[LEVELS[-1]]
    for level in reversed(LEVELS):
        x = network.decode(level, x, skips)
    losses["picture"] = F.mse_loss(x, picture) / picture.var()
    return losses, x


WEIGHTS = {"distil": 1.0, "invert": 0.2, "picture": 1.0}
"""The encoder follows the teacher first: heavier inverses hold the features where they are easy to undo."""


@torch.no_grad()
def start_at_components(network: Compact, components: Components, pictures: list[Tensor]) -> None:
    """Set the first mixing to the least-squares map from the picture's Haar bands to the first components.

    It holds most of their variance and a gain of about ten, which gradient steps are slow to find; the first
    unmixing becomes its pseudo-inverse. Deeper mixings stay orthonormal, halved where a Haar LL doubles the
    scale.
    """
    inputs = torch.cat(
        [torch.cat(haar_split(p - 0.5), 1).transpose(0, 1).flatten(1) for p in pictures], 1
    ).double()
    wanted = torch.cat([components(p)[0].transpose(0, 1).flatten(1) for p in pictures], 1).double()
    inputs = torch.cat((inputs, torch.ones_like(inputs[:1])))
    solution = torch.linalg.solve(inputs @ inputs.T, inputs @ wanted.T).T
    matrix, offset = solution[:, :-1], solution[:, -1]
    inverse = torch.linalg.pinv(matrix)
    for mixing, weight, bias in (
        (network.mix[0], matrix, offset),
        (network.unmix[0], inverse, -inverse @ offset),
    ):
        mixing.get_parameter("weight").copy_(weight[..., None, None])
        mixing.get_parameter("bias").copy_(bias)
    for level in (3, 4):
        network.mix[level - 1].get_parameter("weight").mul_(0.5)
        network.unmix[level - 1].get_parameter("weight").mul_(2)


def distil(
    photos: list[Tensor],
    teacher: VGGFeatures,
    folder: Path,
    settings: DistilSettings,
    *,
    validation: Sequence[Tensor] = (),
    device: str = "cpu",
    log_every: int = 50,
    validate_every: int = 500,
) -> Compact:
    """Train, or go on training from `folder`/distil.pt.

    Args:
        photos: uint8 (3, H, W), from `load_photos`.
        teacher: VGG-19.
        folder: receives the checkpoint, and the picture sheet when there are photos for validation.
        settings: the recipe.
        validation: photos for the PSNR and the sheet.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.
        validate_every: steps between two looks at the validation photos.
    """
    path = folder / "distil.pt"
    torch.manual_seed(settings.seed)
    network: Compact = Compact().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    components = Components(teacher).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    state = resume(path, asdict(settings))
    if state is None:
        sample = [
            crops(photos, size=settings.size, batch=4, seed=-settings.seed - 1 & 0xFFFF, step=i)
            for i in range(40)
        ]
        shares = components.fit([s.to(device) for s in sample])
        print("variance held by the components:", " ".join(f"{s:.3f}" for s in shares), flush=True)
        start_at_components(network, components, [s.to(device) for s in sample[:8]])
        start = 0
    else:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        components.load_state_dict(state["components"], strict=False)
        start = state["step"]
    for step in range(start, settings.steps):
        generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
        picture = crops(photos, size=settings.size, batch=settings.batch, seed=settings.seed, step=step).to(
            device, memory_format=torch.channels_last
        )
        targets = components(picture)
        features, skips = network.encode_all(picture)
        inversion, _ = inversion_losses(
            network, features, skips, picture, noise=settings.noise, generator=generator
        )
        losses = distil_losses(features, targets) | inversion
        total = torch.stack([WEIGHTS[name.rstrip("1234")] * loss for name, loss in losses.items()]).sum()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings.steps, settings.learning_rate)
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % log_every == 0 or step + 1 == settings.steps:
            shown = " ".join(f"{name} {loss.item():.4f}" for name, loss in losses.items())
            psnr = -10 * math.log10((losses["picture"] * picture.var()).item())
            print(f"step {step + 1} {shown} psnr {psnr:.1f}", flush=True)
            save_checkpoint(
                path,
                {
                    "step": step + 1,
                    "settings": asdict(settings),
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "components": {
                        k: v for k, v in components.state_dict().items() if not k.startswith("teacher")
                    },
                },
            )
        if validation and ((step + 1) % validate_every == 0 or step + 1 == settings.steps):
            print(
                f"step {step + 1} validation median psnr {median(validate(network, validation)):.2f}",
                flush=True,
            )
            looked_at = squares(validation[:4]).to(device)
            with torch.no_grad():
                sheet([looked_at, network(looked_at)], folder / "distil.png")
    return network
