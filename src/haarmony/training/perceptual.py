"""Train networks for their styles: a texture from noise, a style, or many styles in one network.

    haarmony train texture-net --style gravel.png --texture --out FOLDER
    haarmony train texture-net --style matisse.jpg --photos FOLDER --out FOLDER
    haarmony train conditional --style a=a.jpg --style b=b.jpg --photos FOLDER --out FOLDER

The loss is that of Gatys, found by a backbone that is not trained: each term is divided by the size of what
it compares with, as in `methods.neural_style`, so weights mean the same for every style and backbone. The
descent is Adam's. A run can be killed at any moment and goes on when its command is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.losses import gram, total_variation
from haarmony.methods.settings import check_settings, option, refuse_unused, seed_option
from haarmony.networks.backbone import Backbone
from haarmony.networks.backbones import load_backbone
from haarmony.networks.normalisation import Normalisation
from haarmony.networks.stylists import read_stylist, save_stylist
from haarmony.networks.texture_net import TextureGenerator
from haarmony.networks.transform_net import SMALLEST, TransformNet, with_styles
from haarmony.training.checkpoint import load_checkpoint, resume, save_checkpoint
from haarmony.training.photos import crops
from haarmony.training.precision import half_precision
from haarmony.training.schedule import learning_rate
from haarmony.training.validation import sheet

CHECKPOINT = "stylist.pt"
_TINY = 1e-8
_COARSE = 4
_STRIDES = 4
_STYLE_LAYERS = 4
"""The first ones of a backbone: relu5_1 of VGG-19 would take a third of the time for the little it adds."""
_CONTENT = 2
"""Which of them holds the content: relu3_1, as in Johnson et al. (ECCV 2016)."""


@dataclass(frozen=True)
class StylistSettings:
    """What a run is made of; stored with its checkpoint, and a checkpoint of other settings is refused.

    Attributes:
        learning_rate: linear warm-up to it, then a cosine to 2 % of it.
        lattice: see `lattice_pattern`.
        diversity: of the textures of a batch (Ulyanov et al., CVPR 2017, eq. 3).
        style_side: which sets the size of the strokes.
    """

    steps: int = option(4000, "of descent", least=0)
    size: int = option(128, "side of the pictures, in pixels", least=SMALLEST)
    batch: int = option(4, "pictures a step", least=1)
    learning_rate: float = option(1e-3, "the peak", least=0)
    style_weight: float = option(10.0, "of the style beside the content", least=0)
    smoothness: float = option(0.0, "weight of the total variation", least=0)
    lattice: float = option(0.0, "weight of what repeats with the network's strides", least=0)
    diversity: float = option(0.0, "how much it counts that textures differ", least=0)
    style_side: int = option(384, "long side of the styles' copies, in pixels", least=SMALLEST)
    width: int = option(32, "channels of the first layer", least=1)
    depth: int = option(5, "residual blocks; of a texture, scales", least=1)
    kind: Normalisation = option("instance", "of normalisation")
    backbone: str = option("vgg19", "whose features the loss looks at")
    seed: int = seed_option("of everything random")
    half: bool = option(True, "compute in bfloat16 where the processor is quick at it")

    def __post_init__(self) -> None:
        check_settings(self)


TEXTURE = StylistSettings(steps=1500, batch=4, size=192, width=8, depth=5, style_side=256)
"""What a texture is trained by where nothing is said."""

Loss = Callable[[int], Tensor]
"""Of a step."""


def train_styles(
    styles: Mapping[str, Tensor],
    photos: list[Tensor],
    folder: Path,
    settings: StylistSettings,
    *,
    begun: Path | None = None,
    device: str = "cpu",
    log_every: int = 50,
) -> tuple[TransformNet, tuple[str, ...]]:
    """Train a network that gives photographs one of several styles, or go on from `folder`/stylist.pt.

    Args:
        styles: pictures (1, 3, H, W) in [0, 1], by name.
        photos: uint8 (3, H, W), from `load_photos`, no side under `settings.size`.
        folder: receives the checkpoint and a sheet of what the network does.
        settings: the recipe.
        begun: the file of a trained network, to which these styles are added by their scales and shifts
            alone; all else stays as it is (Dumoulin et al. 2017, section 3.1). One that knows just these
            styles is descended further as a whole.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.

    Returns:
        The network, and the names of all its styles.

    Raises:
        InputError: for settings, or a file, that do not go with the styles.
    """
    refuse_unused(settings, ("diversity",), "where pictures get a style")
    torch.manual_seed(settings.seed)
    known: tuple[str, ...] = ()
    if begun is None:
        if settings.kind == "batch" and len(styles) > 1:
            raise InputError(f"batch normalisation learns one style, got {len(styles)}: take instance")
        network = TransformNet(len(styles), width=settings.width, blocks=settings.depth, kind=settings.kind)
    else:
        network, known = _begun(begun, styles)
        settings = _of_network(settings, network, begun)
    names = (*known, *styles)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    backbone = _watching(settings.backbone, device)
    style_layers = backbone.style_layers[:_STYLE_LAYERS]
    content_layer = style_layers[_CONTENT]
    sized = [_sized(one.to(device), settings.style_side) for one in styles.values()]
    wanted = [grams(backbone, one, style_layers) for one in sized]
    targets = {layer: torch.cat([one[layer] for one in wanted]) for layer in style_layers}

    def batch(step: int) -> tuple[Tensor, Tensor]:
        picture = crops(photos, size=settings.size, batch=settings.batch, seed=settings.seed, step=step)
        generator = torch.Generator().manual_seed(settings.seed + (step << 16))
        style = torch.randperm(max(len(styles), settings.batch), generator=generator) % len(styles)
        return picture.to(device, memory_format=torch.channels_last), style[: settings.batch].to(device)

    def loss(step: int) -> Tensor:
        picture, style = batch(step)
        with half_precision(device, wanted=settings.half):
            with torch.no_grad():
                there = backbone.features(picture, (content_layer,))[content_layer]
            made = network(picture, F.one_hot(style + len(known), len(names)).to(picture))
            seen = backbone.features(made, style_layers)
        content = _content(seen[content_layer], there)
        close = style_distance(seen, {layer: target[style] for layer, target in targets.items()})
        smooth = settings.smoothness * total_variation(made) if settings.smoothness else 0.0
        if settings.lattice:
            smooth = smooth + settings.lattice * lattice_pattern(made)
        return content + settings.style_weight * close.mean() + smooth

    @torch.no_grad()
    def look() -> None:
        count = min(4, len(photos))
        seen = torch.stack([photo[:, : settings.size, : settings.size] for photo in photos[:count]]) / 255
        rows = [seen]
        for number in range(len(known), len(names)):
            mix = F.one_hot(torch.full((count,), number), len(names)).to(seen)
            rows.append(network(seen.to(device), mix.to(device)).cpu())
        _write(rows, folder)

    learnt = [
        parameter
        for name, parameter in network.named_parameters()
        if not known or name.endswith((".scale", ".shift"))
    ]
    recipe = asdict(settings) | {"styles": list(names), "begun": "" if begun is None else begun.name}
    _keep_others(network, len(known))
    _descend(network, learnt, loss, look, folder, settings, recipe, log_every)
    return network.eval(), names


def train_texture(
    texture: Tensor,
    folder: Path,
    settings: StylistSettings,
    *,
    device: str = "cpu",
    log_every: int = 50,
) -> TextureGenerator:
    """Train a network that makes a texture from noise, or go on from `folder`/stylist.pt.

    Args:
        texture: a picture of it, (1, 3, H, W) in [0, 1].
        folder: receives the checkpoint and a sheet of what the network makes.
        settings: the recipe.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.

    Raises:
        InputError: for a size that the scales do not divide, or settings that count for nothing.
    """
    refuse_unused(settings, ("style_weight", "lattice"), "where a texture is learnt")
    if settings.diversity and settings.batch == 1:
        raise InputError("a texture differs from others of its batch: give a batch of 2 or more")
    torch.manual_seed(settings.seed)
    network = TextureGenerator(scales=settings.depth, width=settings.width, kind=settings.kind)
    if settings.size % network.step:
        raise InputError(
            f"a texture of {settings.depth} scales has sides that are multiples of {network.step}, got "
            f"{settings.size}"
        )
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    backbone = _watching(settings.backbone, device)
    style_layers = backbone.style_layers[:_STYLE_LAYERS]
    wanted = grams(backbone, _sized(texture.to(device), settings.style_side), style_layers)
    size = settings.size, settings.size

    def noise(step: int, count: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(settings.seed + (step << 16))
        return [one.to(device) for one in network.noise(size, count, generator)]

    def loss(step: int) -> Tensor:
        with half_precision(device, wanted=settings.half):
            made = network(noise(step, settings.batch))
            seen = backbone.features(made, style_layers)
        same = settings.smoothness * total_variation(made) if settings.smoothness else 0.0
        if settings.diversity:
            same = same - settings.diversity * diversity(made)
        return style_distance(seen, wanted).mean() + same

    @torch.no_grad()
    def look() -> None:
        _write([network(noise(-1 & 0xFFFF, 4)).cpu()], folder)

    recipe = asdict(settings) | {"texture": True}
    _descend(network, list(network.parameters()), loss, look, folder, settings, recipe, log_every)
    return network.eval()


def export(network: nn.Module, names: Sequence[str], folder: Path, target: Path) -> None:
    """Write a trained network as haarmony ships it, with the recipe of its checkpoint."""
    state = load_checkpoint(folder / CHECKPOINT)
    if state is None:
        raise InputError(f"no checkpoint at {folder / CHECKPOINT}: train first")
    save_stylist(network, names, target, training=state["settings"] | {"step": state["step"]})


@torch.no_grad()
def grams(backbone: Backbone, picture: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """The Gram matrices of a picture (1, 3, H, W) at these layers, (1, C, C) each."""
    seen = backbone.features(picture, layers)
    return {layer: gram(feature.float()) for layer, feature in seen.items()}


def style_distance(seen: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """The squared distance of Gram matrices, each layer over the square of its target; (B,).

    Args:
        seen: features (B, C, H, W) by layer.
        wanted: Gram matrices (B, C, C), or (1, C, C), by layer.
    """
    parts = []
    for layer, target in wanted.items():
        distance = (gram(seen[layer].float()) - target).square().sum((1, 2))
        parts.append(distance / target.square().sum((1, 2)).clamp_min(_TINY**2))
    return torch.stack(parts).mean(0)


def diversity(made: Tensor) -> Tensor:
    """How much the pictures (B, 3, H, W) of a batch differ from their nearest: the mean log distance.

    The estimate of the entropy by nearest neighbours (Ulyanov et al., CVPR 2017, eq. 3), per value; of
    pictures a fourth as large: a chequerboard of pixels, which style losses hardly see, would be the cheapest
    difference.
    """
    flat = F.avg_pool2d(made, min(_COARSE, *made.shape[-2:])).flatten(1)
    squares = (flat[:, None] - flat[None]).square().mean(2)
    squares = squares + torch.eye(len(flat), device=made.device) * 1e6
    return squares.min(1).values.add(_TINY).log().mean() / 2


def lattice_pattern(made: Tensor) -> Tensor:
    """How strong the pattern is that pictures (B, 3, H, W) repeat every `_STRIDES` pixels: its mean square.

    A network that halves its picture and doubles it again can tell pixels by where they lie in a cell, and
    fill what is flat with a weave of that period. What differs from place to place averages out.
    """
    fine = made - F.avg_pool2d(made, 2 * _STRIDES - 1, 1, _STRIDES - 1, count_include_pad=False)
    height, width = (side // _STRIDES for side in made.shape[-2:])
    cells = fine[..., : _STRIDES * height, : _STRIDES * width]
    return cells.reshape(*made.shape[:2], height, _STRIDES, width, _STRIDES).mean((2, 4)).square().mean()


def _content(seen: Tensor, there: Tensor) -> Tensor:
    """The mean squared difference of features, over the spread of the batch's own.

    Flat pictures have none; so the spread counts as a hundredth of the mean square at least.
    """
    seen, there = seen.float(), there.float()
    spread = torch.maximum(there.var((2, 3)).mean(), 0.01 * there.square().mean()).clamp_min(_TINY)
    return (seen - there).square().mean() / spread


def _begun(begun: Path, styles: Mapping[str, Tensor]) -> tuple[TransformNet, tuple[str, ...]]:
    """The network to go on from, and the names of the styles in it that stay as they are."""
    trained = read_stylist(begun)
    old = trained.network
    if isinstance(old, TransformNet) and trained.styles == tuple(styles):
        return old.requires_grad_(True), ()
    if not isinstance(old, TransformNet) or not any(True for _ in old.norms()):
        raise InputError(f"{begun} has no scales and shifts of styles: give a network of train conditional")
    if twice := sorted(styles.keys() & set(trained.styles)):
        raise InputError(f"{begun} knows {', '.join(twice)} already: give another name")
    grown = TransformNet(old.styles + len(styles), width=old.width, blocks=old.blocks)
    return with_styles(old, grown), trained.styles


def _of_network(settings: StylistSettings, network: TransformNet, begun: Path) -> StylistSettings:
    """The settings with the make of a network that is gone on with."""
    make = {"width": network.width, "depth": network.blocks, "kind": network.kind}
    usual = StylistSettings()
    for name, own in make.items():
        if getattr(settings, name) not in (own, getattr(usual, name)):
            raise InputError(f"{begun} has a {name} of {own}: leave it out")
    return replace(settings, **make)  # type: ignore[arg-type]


def _keep_others(network: TransformNet, known: int) -> None:
    """Let no gradient change the first styles."""
    for _, norm in network.norms() if known else ():
        for parameter in (norm.scale, norm.shift):
            parameter.register_hook(lambda slope: torch.cat((torch.zeros_like(slope[:known]), slope[known:])))  # type: ignore[no-untyped-call]


def _descend(
    network: nn.Module,
    learnt: Sequence[nn.Parameter],
    loss_at: Loss,
    look: Callable[[], None],
    folder: Path,
    settings: StylistSettings,
    recipe: dict[str, Any],
    log_every: int,
) -> None:
    path = folder / CHECKPOINT
    optimiser = torch.optim.Adam(learnt, lr=settings.learning_rate)
    state = resume(path, recipe)
    done = 0
    if state is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        done = state["step"]
    network.train()
    for step in range(done, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings.steps, settings.learning_rate)
        optimiser.zero_grad()
        loss = loss_at(step)
        loss.backward()  # type: ignore[no-untyped-call]
        if nn.utils.clip_grad_norm_(learnt, 1.0).isfinite():
            optimiser.step()
        done = step + 1
        if done % log_every == 0 or done == settings.steps:
            print(f"step {done} loss {loss.item():.4f}", flush=True)
            learnt_so_far = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            save_checkpoint(path, {"step": done, "settings": recipe, **learnt_so_far})
            look()


def _watching(name: str, device: str) -> Backbone:
    """A copy of a backbone as convolutions are quickest."""
    backbone = deepcopy(load_backbone(name)).to(device)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return backbone


def _sized(picture: Tensor, side: int) -> Tensor:
    scale = min(1.0, side / max(picture.shape[-2:]))
    size = [max(16, round(length * scale)) for length in picture.shape[-2:]]
    return F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)


def _write(rows: Sequence[Tensor], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sheet(rows, folder / "sheet.png")
