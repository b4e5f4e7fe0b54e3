"""Train the decoder of VGG-19, `sum` or `cat5`: learn to undo a frozen encoder, on any folder of photographs.

    python -m haarmony.training.decoder --variant cat5 --photos FOLDER --validation FOLDER --run FOLDER

Two phases. *Regression*: each decoder convolution starts as the best linear answer to the encoder's that it
undoes, in closed form (`training.inversion`). *Descent*: through the whole decoder, fed by its own outputs,
on the picture and on the features between the levels, since transfer matches those too. Errors count by
their logarithm, so that no unit has to be balanced against another: the loss is a PSNR. `cat5` descends by
Adam; `sum`, which has no feature from before a pooling to read the picture from, by steps that are white and
orthogonal (`training.whitened`).

A run can be killed at any moment and started again with the same command; what it does at a step depends on
the seed and the step alone.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from itertools import count
from pathlib import Path
from statistics import median

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.networks.autoencoder import LEVELS
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.vgg19 import VGG19, Variant
from haarmony.networks.weights import vgg19_encoder
from haarmony.training.checkpoint import load_checkpoint, save_checkpoint
from haarmony.training.inversion import measure_units, regress, trace
from haarmony.training.photos import crops, load_photos
from haarmony.training.schedule import learning_rate
from haarmony.training.validation import sheet, squares, validate
from haarmony.training.whitened import WhitenedDescent, whitening

CHECKPOINT = "decoder.pt"
_MEASURED = 50  # batches that the units are measured on
_AFTER_ALL_STEPS = 1 << 40  # the regression looks at crops that the descent does not


@dataclass(frozen=True)
class DecoderSettings:
    """What a run is made of; stored with its checkpoint, and a checkpoint of other settings is refused.

    Attributes:
        steps: of the descent.
        size: side of the square crops, in pixels.
        batch: crops a step.
        learning_rate: the peak; linear warm-up, then a cosine to 2 % of it.
        damping: of the whitening, as a share of the inputs' mean square; 0 descends by Adam.
        feature_weight: of the features' log error beside the picture's.
        ridge: penalty of the regressions, as a share of the inputs' mean square.
        samples: positions that each regression sees.
        seed: of everything random.
        half: compute the descent in bfloat16 (autocast); a third faster on CPUs that have it.
    """

    steps: int = 2400
    size: int = 96
    batch: int = 4
    learning_rate: float = 2e-4
    damping: float = 0.0
    feature_weight: float = 0.1
    ridge: float = 1e-4
    samples: int = 40_000
    seed: int = 0
    half: bool = False


RECIPES: dict[Variant, DecoderSettings] = {
    "cat5": DecoderSettings(half=True),
    "sum": DecoderSettings(steps=2400, learning_rate=1e-4, damping=1e-2, feature_weight=0.3, half=True),
}
"""What the shipped decoders were trained by."""


def reconstruction_loss(network: VGG19, picture: Tensor, feature_weight: float) -> tuple[Tensor, Tensor]:
    """The descent's loss of a batch and, for the log, the PSNR of its picture in dB."""
    given, made, skips = trace(network, picture)
    x = made["conv4_1"]
    answers = {4: given["conv3_2"], 3: given["conv2_2"], 2: given["conv1_2"], 1: picture}
    loss = x.new_zeros((), dtype=torch.float32)
    error = loss
    for level in reversed(LEVELS):
        x = network.decode(level, x, skips)
        error = (x.float() - answers[level].float()).square().mean((1, 2, 3)).add(1e-5).log().mean()
        loss = loss + error * (1.0 if level == 1 else feature_weight)
    return loss, error.detach() * (-10 / math.log(10))


def start(
    network: VGG19, batch: Callable[[int], Tensor], settings: DecoderSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Set the encoder from VGG-19 and the decoder by regression.

    Returns:
        The units of the encoder's layers, and the whitening of each decoder convolution; none where the
        damping is 0.
    """
    oxford = oxford_vgg19()
    network.encoder.load_state_dict(vgg19_encoder(oxford))
    units = measure_units(network, map(batch, range(_MEASURED)))
    network.encoder.load_state_dict(vgg19_encoder(oxford, units))
    unseen = map(batch, count(_AFTER_ALL_STEPS))
    grams = regress(network, unseen, samples=settings.samples, ridge=settings.ridge, seed=settings.seed)
    if settings.damping == 0:
        return units, {}
    return units, {name: whitening(gram, settings.damping) for name, gram in grams.items()}


def descent(
    network: VGG19, whitenings: dict[str, Tensor], settings: DecoderSettings
) -> torch.optim.Optimizer:
    """The optimiser of the decoder: by whitened steps where there are whitenings, else Adam."""
    if not whitenings:
        return torch.optim.Adam(network.decoder.parameters(), lr=settings.learning_rate)
    device = next(network.parameters()).device
    return WhitenedDescent(
        [network.decoding(name) for name in whitenings],
        [matrix.to(device) for matrix in whitenings.values()],
        learning_rate=settings.learning_rate,
    )


def train(
    variant: Variant,
    photos: list[Tensor],
    folder: Path,
    settings: DecoderSettings,
    *,
    validation: Sequence[Tensor] = (),
    begun: Path | None = None,
    device: str = "cpu",
    log_every: int = 50,
    validate_every: int = 500,
) -> VGG19:
    """Train, or go on training from `folder`/decoder.pt.

    Args:
        variant: `sum` or `cat5`.
        photos: uint8 (3, H, W), from `load_photos`, no side under `settings.size`.
        folder: receives decoder.pt, and the picture sheet when there are photos for validation.
        settings: the recipe.
        validation: photos for the PSNR and the sheet.
        begun: the checkpoint of another run, which is descended further in place of a regression.
        device: where to train.
        log_every: steps between two lines of progress and two checkpoints.
        validate_every: steps between two looks at the validation photos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CHECKPOINT
    torch.manual_seed(settings.seed)
    network = VGG19(variant).to(device)
    network.encoder.requires_grad_(False)
    recipe = {"variant": variant, **asdict(settings)}

    def batch(step: int) -> Tensor:
        picked = crops(photos, size=settings.size, batch=settings.batch, seed=settings.seed, step=step)
        return picked.to(device, memory_format=torch.channels_last)

    state = load_checkpoint(path)
    if state is None and begun is not None:
        state = load_checkpoint(begun)
        if state is None:
            raise InputError(f"no checkpoint at {begun}: train first")
        state |= {"step": 0, "recipe": recipe}
    if state is None:
        units, whitenings = start(network, batch, settings)
        state = {"step": 0, "units": units, "whitenings": whitenings, "network": network.state_dict()}
    elif state["recipe"] != recipe:
        raise InputError(f"{path} is of another recipe, {state['recipe']}: give that one or another folder")
    network.load_state_dict(state["network"])
    optimiser = descent(network, state["whitenings"], settings)
    if "optimiser" in state:
        optimiser.load_state_dict(state["optimiser"])

    def save(steps: int) -> None:
        kept = {name: state[name] for name in ("units", "whitenings")}
        learnt = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
        save_checkpoint(path, {"step": steps, "recipe": recipe, **kept, **learnt})

    if state["step"] == 0:
        save(0)
    for step in range(state["step"], settings.steps):
        picture = batch(step)
        with torch.autocast(torch.device(device).type, torch.bfloat16) if settings.half else nullcontext():
            loss, psnr = reconstruction_loss(network, picture, settings.feature_weight)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings.steps, settings.learning_rate)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.decoder.parameters(), 1.0)
        optimiser.step()
        done = step + 1
        if done % log_every == 0 or done == settings.steps:
            print(f"step {done} loss {loss.item():.4f} psnr {psnr.item():.2f}", flush=True)
            save(done)
        if validation and (done % validate_every == 0 or done == settings.steps):
            score = median(validate(network, validation))
            print(f"step {done} validation median psnr {score:.2f}", flush=True)
            looked_at = squares(validation[:4]).to(device)
            with torch.no_grad():
                sheet([looked_at, network(looked_at)], folder / "sheet.png")
    return network


def export(checkpoint: Path, target: Path) -> None:
    """Write the decoder and the units of a checkpoint as fp16 safetensors, the form that haarmony ships."""
    state = load_checkpoint(checkpoint)
    if state is None:
        raise InputError(f"no checkpoint at {checkpoint}: train first")
    tensors = {
        name.removeprefix("decoder."): tensor.half().contiguous()
        for name, tensor in state["network"].items()
        if name.startswith("decoder.")
    }
    part = target.with_name(target.name + ".part")
    # One key: several would be written in an order that differs from process to process.
    about = {"training": json.dumps(state["recipe"] | {"step": state["step"]})}
    save_file(tensors | {"units": state["units"]}, part, about)
    part.replace(target)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m haarmony.training.decoder", description=__doc__)
    parser.add_argument("--variant", choices=["sum", "cat5"], default="cat5")
    parser.add_argument("--photos", required=True, help="folder of photographs to train on")
    parser.add_argument("--validation", help="folder of photographs to measure on")
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--begun", type=Path, help="checkpoint of another run, to be descended further")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--export", type=Path, help="write the trained decoder here as .safetensors")
    for field in fields(DecoderSettings):
        flag = "--" + field.name.replace("_", "-")
        if field.type == "bool":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(flag, type=type(field.default))
    given = vars(parser.parse_args(arguments))
    named = {field.name: given[field.name] for field in fields(DecoderSettings)}
    settings = replace(
        RECIPES[given["variant"]], **{name: value for name, value in named.items() if value is not None}
    )
    photos = load_photos(given["photos"], at_least=settings.size)
    validation = load_photos(given["validation"]) if given["validation"] else []
    network = train(
        given["variant"],
        photos,
        given["run"],
        settings,
        validation=validation[::4],
        begun=given["begun"],
        device=given["device"],
    )
    if validation:
        print(f"median psnr of {len(validation)} photos {median(validate(network, validation)):.2f} dB")
    if given["export"]:
        export(given["run"] / CHECKPOINT, given["export"])


if __name__ == "__main__":
    main()
