"""Train a decoder of VGG-19: learn to undo a frozen encoder, on any folder of photographs.

    haarmony train decoder --variant cat5 --photos FOLDER --validation FOLDER --out FOLDER

Two phases. *Regression*: each decoder convolution starts as the best linear answer to the encoder's that it
undoes, in closed form (`training.inversion`). *Descent*: through the whole decoder, fed by its own outputs,
on the picture and on the features between the levels, since transfer matches those too
(`training.objectives`). `cat5` descends by Adam; the others, which have no feature from before a pooling to
read the picture from, by steps that are white and orthogonal (`training.whitened`).

A run can begin from another's decoder, from one that is shipped, or from one of a shallower level, whose
layers it has too; so `plain` and `places` are trained level by level.

A run can be killed at any moment and started again with the same command; what it does at a step depends on
the seed and the step alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.pooled import PooledVGG19
from haarmony.networks.pooling import PoolingName
from haarmony.networks.state import read_state
from haarmony.networks.vgg19 import VGG19, Variant
from haarmony.networks.vgg19_weights import vgg19_encoder
from haarmony.training.checkpoint import load_checkpoint, save_checkpoint
from haarmony.training.inversion import measure_units, regress
from haarmony.training.objectives import reconstruction, stylisation
from haarmony.training.photos import crops, recoloured
from haarmony.training.precision import half_precision
from haarmony.training.recipes import LEVELWISE, DecoderSettings
from haarmony.training.schedule import learning_rate
from haarmony.training.validation import sheet, squares, validate
from haarmony.training.whitened import WhitenedDescent, precision

CHECKPOINT = "decoder.pt"
_MEASURED = 50  # batches that the units are measured on
_AFTER_ALL_STEPS = 1 << 40  # the regression looks at crops that the descent does not


def build(variant: str, level: int = 4) -> VGG19 | PooledVGG19:
    """The network of a variant, with random weights."""
    if variant in ("sum", "cat5"):
        return VGG19(cast(Variant, variant))
    if variant in ("average", "split", "learned"):
        return VGG19("sum", cast(PoolingName, variant))
    return PooledVGG19(level, "places" if variant == "places" else "nearest")


def start(
    network: VGG19 | PooledVGG19,
    batch: Callable[[int], Tensor],
    settings: DecoderSettings,
    units: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Set the encoder from VGG-19 and the decoder by regression.

    Args:
        network: to be set.
        batch: the crops of a step.
        settings: the recipe.
        units: of the encoder's layers; measured where none are given.

    Returns:
        The units of the encoder's layers, and the precision of each decoder convolution's inputs; none where
        the damping is 0.
    """
    oxford = oxford_vgg19()
    pooled = 1.0 if isinstance(network, PooledVGG19) else 1 / network.gain
    if units is None:
        plain = torch.ones(len(network.convolutions))
        network.encoder.load_state_dict(vgg19_encoder(oxford, plain, pooled=pooled))
        units = measure_units(network, map(batch, range(_MEASURED)))
    network.encoder.load_state_dict(vgg19_encoder(oxford, units, pooled=pooled))
    unseen = map(batch, count(_AFTER_ALL_STEPS))
    grams = regress(network, unseen, samples=settings.samples, ridge=settings.ridge, seed=settings.seed)
    if settings.damping == 0:
        return units, {}
    return units, {name: precision(gram, settings.damping) for name, gram in grams.items()}


def beginning(
    network: VGG19 | PooledVGG19,
    batch: Callable[[int], Tensor],
    settings: DecoderSettings,
    begun: Path | None,
) -> dict[str, Any]:
    """The state that a run sets out from: a regression, another's end, or both where that is shallower."""
    if begun is None:
        units, precisions = start(network, batch, settings)
        return {"units": units, "precisions": precisions, "network": network.state_dict()}
    if begun.suffix == ".safetensors":
        learnt, units = exported(begun, settings.level)
        units, precisions = start(network, batch, settings, units[: len(network.convolutions)])
        network.load_state_dict(network.state_dict() | learnt)
        return {"units": units, "precisions": precisions, "network": network.state_dict()}
    other = load_checkpoint(begun)
    if other is None:
        raise InputError(f"no checkpoint at {begun}: train first")
    ours = network.state_dict()
    if other["network"].keys() == ours.keys():
        return {name: other[name] for name in ("units", "precisions", "network")}
    units, precisions = start(network, batch, settings)
    learnt = {name: tensor for name, tensor in other["network"].items() if name.startswith("decoder.")}
    return {"units": units, "precisions": precisions, "network": network.state_dict() | learnt}


def exported(path: Path, level: int) -> tuple[dict[str, Tensor], Tensor]:
    """What was learned of a network to a level, and its encoder's units, from a file that `export` wrote."""
    tensors = read_state(path)
    units = tensors.pop("units")
    prefix = f"{level}." if any(name[0].isdigit() for name in tensors) else ""
    learnt = {
        name if name.startswith("poolings.") else f"decoder.{name.removeprefix(prefix)}": tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    return learnt, units


def objective(
    network: VGG19 | PooledVGG19, picture: Tensor, settings: DecoderSettings
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and a figure in dB for the log."""
    if settings.style_weight and isinstance(network, PooledVGG19):
        return stylisation(network, picture, style_weight=settings.style_weight)
    return reconstruction(
        network, picture, feature_weight=settings.feature_weight, seen_weight=settings.seen_weight
    )


def descents(
    network: VGG19 | PooledVGG19, precisions: dict[str, Tensor], settings: DecoderSettings
) -> dict[torch.optim.Optimizer, float]:
    """The optimisers, each with the peak of its rate; see `DecoderSettings`."""
    peak = settings.learning_rate
    if precisions:
        device = next(network.parameters()).device
        found: dict[torch.optim.Optimizer, float] = {
            WhitenedDescent(
                [network.decoding(name) for name in precisions],
                [matrix.to(device) for matrix in precisions.values()],
                learning_rate=peak,
            ): peak
        }
    else:
        found = {torch.optim.Adam(network.decoder.parameters(), lr=peak): peak}
    if settings.pooling_rate and isinstance(network, VGG19):
        learned = torch.optim.Adam(network.poolings.parameters(), lr=settings.pooling_rate)
        found[learned] = settings.pooling_rate
    return found


def train(
    variant: str,
    photos: list[Tensor],
    folder: Path,
    settings: DecoderSettings,
    *,
    validation: Sequence[Tensor] = (),
    begun: Path | None = None,
    device: str = "cpu",
    log_every: int = 50,
    validate_every: int = 500,
) -> VGG19 | PooledVGG19:
    """Train, or go on training from `folder`/decoder.pt.

    Args:
        variant: of `RECIPES`.
        photos: uint8 (3, H, W), from `load_photos`, no side under `settings.size`.
        folder: receives decoder.pt, and the picture sheet when there are photos for validation.
        settings: the recipe.
        validation: photos for the PSNR and the sheet.
        begun: the checkpoint of another run, or a file of `export`, which is descended further in place of a
            regression; of a shallower level, a checkpoint is where the layers start that both have.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.
        validate_every: steps between two looks at the validation photos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CHECKPOINT
    torch.manual_seed(settings.seed)
    network = build(variant, settings.level)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.encoder.requires_grad_(False)
    recipe = {"variant": variant, **asdict(settings)}

    def batch(step: int) -> Tensor:
        picked = crops(photos, size=settings.size, batch=settings.batch, seed=settings.seed, step=step)
        if settings.recolour:
            picked = recoloured(picked, settings.recolour, seed=settings.seed, step=step)
        return picked.to(device, memory_format=torch.channels_last)

    state = load_checkpoint(path)
    if state is None:
        state = beginning(network, batch, settings, begun) | {"step": 0, "recipe": recipe}
    elif state["recipe"] != recipe:
        raise InputError(f"{path} is of another recipe, {state['recipe']}: give that one or another folder")
    network.load_state_dict(state["network"])
    optimisers = descents(network, state["precisions"], settings)
    for optimiser, learnt in zip(optimisers, state.get("optimisers", []), strict=False):
        optimiser.load_state_dict(learnt)

    def save(steps: int) -> None:
        kept = {name: state[name] for name in ("units", "precisions")}
        kept["network"] = network.state_dict()
        kept["optimisers"] = [optimiser.state_dict() for optimiser in optimisers]
        save_checkpoint(path, {"step": steps, "recipe": recipe, **kept})

    if state["step"] == 0:
        save(0)
    for step in range(state["step"], settings.steps):
        picture = batch(step)
        with half_precision(device, wanted=settings.half):
            loss, figure = objective(network, picture, settings)
        for optimiser, peak in optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, settings.steps, peak)
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.decoder.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        done = step + 1
        if done % log_every == 0 or done == settings.steps:
            print(f"step {done} loss {loss.item():.4f} dB {figure.item():.2f}", flush=True)
            save(done)
        if validation and (done % validate_every == 0 or done == settings.steps):
            score = median(validate(network, validation))
            print(f"step {done} validation median psnr {score:.2f}", flush=True)
            looked_at = squares(validation[:4]).to(device)
            with torch.no_grad():
                sheet([looked_at, network(looked_at)], folder / "sheet.png")
    return network


def train_levels(
    variant: str,
    photos: list[Tensor],
    folder: Path,
    settings: DecoderSettings,
    *,
    validation: Sequence[Tensor] = (),
    begun: Path | None = None,
    device: str = "cpu",
) -> list[Path]:
    """Train a variant whole: of `plain` and `places` the levels 1 to 4, each begun from the one before.

    Args:
        variant: of `RECIPES`.
        photos: see `train`.
        folder: receives the checkpoint, or a folder a level with its own.
        settings: of the only, or the deepest level; those above take fewer steps, see `LEVELWISE`.
        validation: see `train`.
        begun: see `train`.
        device: see `train`.

    Returns:
        The checkpoints, for `export`.
    """
    if variant not in LEVELWISE:
        train(variant, photos, folder, settings, validation=validation, begun=begun, device=device)
        return [folder / CHECKPOINT]
    for level, share in LEVELWISE[variant].items():
        own = replace(settings, level=level, steps=round(share * settings.steps))
        place = folder / str(level)
        train(variant, photos, place, own, validation=validation, begun=begun, device=device)
        if begun is None or begun.suffix != ".safetensors":
            begun = place / CHECKPOINT
    return [folder / str(level) / CHECKPOINT for level in LEVELWISE[variant]]


def export(checkpoints: Sequence[Path], target: Path) -> None:
    """Write decoders and their units as fp16 safetensors, the form that haarmony ships.

    Args:
        checkpoints: of one run; or of several levels, whose tensors are then named so: `4.conv4_1.weight`.
        target: a .safetensors file.

    Raises:
        InputError: when a checkpoint is missing.
    """
    tensors: dict[str, Tensor] = {}
    recipes = []
    for checkpoint in checkpoints:
        state = load_checkpoint(checkpoint)
        if state is None:
            raise InputError(f"no checkpoint at {checkpoint}: train first")
        prefix = f"{state['recipe']['level']}." if len(checkpoints) > 1 else ""
        for name, tensor in state["network"].items():
            if name.startswith(("decoder.", "poolings.")):
                tensors[prefix + name.removeprefix("decoder.")] = tensor.half().contiguous()
        recipes.append(state["recipe"] | {"step": state["step"]})
        tensors["units"] = state["units"]  # the deepest has all; they are measured on the same crops
    part = target.with_name(target.name + ".part")
    # One key: several would be written in an order that differs from process to process.
    save_file(tensors, part, {"training": json.dumps(recipes if len(recipes) > 1 else recipes[0])})
    part.replace(target)
