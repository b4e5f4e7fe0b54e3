"""`haarmony train`: the training loops, on a folder of photographs.

A run that was stopped goes on when its command is given again.
"""

import argparse
from collections.abc import Callable
from dataclasses import fields, replace
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from haarmony.errors import InputError
from haarmony.training.recipes import RECIPES, DecoderSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from haarmony.networks.vgg_features import VGGFeatures


def _whole(least: int, most: float = inf) -> Callable[[str], int]:
    wanted = f"a whole number, {least} or more" if most == inf else f"a whole number from {least} to {most}"

    def whole(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
        return int(text)

    return whole


def _rate(text: str) -> float:
    rate = _number(text)
    if not 0 < rate < inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return rate


def _weight(text: str) -> float:
    weight = _number(text)
    if not 0 <= weight < inf:
        raise argparse.ArgumentTypeError(f"expected a number, 0 or more, got {text!r}")
    return weight


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


_SETTINGS: Final = {
    "steps": _whole(0),
    "size": _whole(1),
    "batch": _whole(1),
    "learning_rate": _rate,
    "seed": _whole(0, 2**32 - 1),
}
_DECODER_SETTINGS: Final = {
    field.name: type(field.default)
    for field in fields(DecoderSettings)
    if field.name not in (*_SETTINGS, "level")
}
_STYLIST_SETTINGS: Final = {
    "style_weight": float,
    "smoothness": float,
    "lattice": float,
    "diversity": float,
    "style_side": int,
    "width": int,
    "depth": int,
    "kind": str,
    "backbone": str,
}
_KINDS: Final = {float: _weight, int: _whole(1)}
_Settings = TypeVar("_Settings")


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    train = commands.add_parser("train", help="train the networks that haarmony ships")
    kinds = train.add_subparsers(metavar="WHAT", required=True)
    for name, run, text in (
        ("distil", _distil, "distil VGG-19 into compact"),
        ("transfer", _transfer, "train a distilled compact through the matching"),
        ("decoder", _decoder, "train a decoder of VGG-19"),
        ("imagined", _imagined, "teach compact to decode without its skips"),
        ("texture-net", _texture_net, "train a network for one style, or one texture"),
        ("conditional", _conditional, "train a network for many styles, or add styles to one"),
    ):
        parser = kinds.add_parser(name, parents=[shared], help=text, description=f"{text}.".capitalize())
        _add_options(parser, run)
        if name == "decoder":
            parser.add_argument(
                "--variant",
                choices=[*RECIPES],
                default="cat5",
                help="sum, cat5: of WCT2 (cat5 is the default); average, split, learned: of its ablations; "
                "plain: of WCT; places: of PhotoWCT; adain",
            )
            parser.add_argument(
                "--begun",
                metavar="FILE",
                type=Path,
                help="checkpoint of another run, or a .safetensors it wrote, to be descended further",
            )
            for flag, kind in _DECODER_SETTINGS.items():
                _add_setting(parser, flag, kind)
        if name in ("texture-net", "conditional"):
            _add_styles(parser, name)


def _add_options(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None]) -> None:
    parser.add_argument(
        "--photos", metavar="DIR", required=run is not _texture_net, help="photographs to train on"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="receives the checkpoint")
    if run not in (_texture_net, _conditional):
        parser.add_argument("--validation", metavar="DIR", help="photographs to measure on")
    parser.add_argument("--export", metavar="FILE", type=Path, help="write the trained weights here, fp16")
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda, ...")
    for name, kind in _SETTINGS.items():
        _add_setting(parser, name, kind)
    parser.set_defaults(run=_tried(run))


def _tried(run: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """Find out before hours of training whether its device is there and its export can be written."""

    def tried(options: argparse.Namespace) -> None:
        from haarmony.devices import usable
        from haarmony.media.files import probe

        usable(options.device)
        if options.export is not None and options.export.resolve().parent != options.out.resolve():
            probe(options.export)
        run(options)

    return tried


def _add_styles(parser: argparse.ArgumentParser, name: str) -> None:
    if name == "conditional":
        parser.add_argument(
            "--style",
            metavar="NAME=PATH",
            dest="styles",
            action="append",
            required=True,
            help="a picture of a style, by the name that it gets; as often as wanted",
        )
    else:
        parser.add_argument("--style", metavar="PATH", required=True, help="a picture of the style")
        parser.add_argument(
            "--texture", action="store_true", help="learn a texture, from noise; no photos are needed"
        )
    parser.add_argument(
        "--begun",
        metavar="FILE",
        type=Path,
        help="a trained network: descended further where its styles are these; else these are added to it, "
        "and all else stays as it is",
    )
    for flag, kind in _STYLIST_SETTINGS.items():
        if flag != "kind":
            _add_setting(parser, flag, kind)
        elif name == "texture-net":
            parser.add_argument(
                "--kind", choices=["instance", "batch"], help="of normalisation; default: instance"
            )


def _add_setting(parser: argparse.ArgumentParser, name: str, kind: Any) -> None:
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help="default: the recipe's")
    else:
        parser.add_argument(flag, type=_KINDS.get(kind, kind), metavar="N", help="default: the recipe's")


def _distil(options: argparse.Namespace) -> None:
    from haarmony.training.distil import DistilSettings, distil
    from haarmony.training.photos import load_photos
    from haarmony.training.transfer import export

    settings = _with(DistilSettings(), options)
    photos = load_photos(options.photos, at_least=settings.size)
    options.out.mkdir(parents=True, exist_ok=True)
    distil(photos, _teacher(), options.out, settings, validation=_validation(options), device=options.device)
    if options.export:
        export(options.out / "distil.pt", options.export)


def _transfer(options: argparse.Namespace) -> None:
    from haarmony.training.photos import load_photos
    from haarmony.training.transfer import TransferSettings, export, train_transfer

    if not (options.out / "distil.pt").is_file():
        raise InputError(f"{str(options.out)!r} holds no distil.pt: run haarmony train distil there first")
    settings = _with(TransferSettings(), options)
    photos = load_photos(options.photos, at_least=settings.size)
    train_transfer(
        photos, _teacher(), options.out, settings, validation=_validation(options), device=options.device
    )
    if options.export:
        export(options.out / "transfer.pt", options.export)


def _decoder(options: argparse.Namespace) -> None:
    from haarmony.training import decoder
    from haarmony.training.photos import load_photos

    settings = _with(RECIPES[options.variant], options)
    photos = load_photos(options.photos, at_least=settings.size)
    checkpoints = decoder.train_levels(
        options.variant,
        photos,
        options.out,
        settings,
        validation=_validation(options)[::4],
        begun=options.begun,
        device=options.device,
    )
    if options.export:
        decoder.export(checkpoints, options.export)


def _imagined(options: argparse.Namespace) -> None:
    from haarmony.networks.weights import load_network
    from haarmony.training import imagined
    from haarmony.training.photos import load_photos

    settings = _with(imagined.ImaginedSettings(), options)
    photos = load_photos(options.photos, at_least=settings.size)
    network, _ = load_network("compact")
    imagined.train_imagined(
        network, photos, options.out, settings, validation=_validation(options), device=options.device
    )
    if options.export:
        imagined.export(options.out / imagined.CHECKPOINT, options.export)


def _texture_net(options: argparse.Namespace) -> None:
    from haarmony.training import perceptual

    picture, name = _style(options.style), Path(options.style).stem
    network: nn.Module
    if options.texture and options.begun:
        raise InputError("a texture is learnt from the beginning: leave --begun out")
    if options.texture and options.photos:
        raise InputError("a texture is learnt without photographs: leave --photos out")
    if options.texture:
        settings = _with(perceptual.TEXTURE, options)
        network = perceptual.train_texture(picture, options.out, settings, device=options.device)
    else:
        settings = _with(perceptual.StylistSettings(), options)
        network, _ = perceptual.train_styles(
            {name: picture},
            _photos(options, settings.size),
            options.out,
            settings,
            begun=options.begun,
            device=options.device,
        )
    if options.export:
        perceptual.export(network, (name,), options.out, options.export)


def _conditional(options: argparse.Namespace) -> None:
    from haarmony.training import perceptual

    named = [text.partition("=") for text in options.styles]
    if any(not (name and path) for name, _, path in named):
        raise InputError(f"expected --style NAME=PATH such as dusk=dusk.jpg, got {options.styles}")
    if any("," in name for name, _, _ in named):
        raise InputError(f"the name of a style has no comma, for commas part styles: got {options.styles}")
    if len({name for name, _, _ in named}) < len(named):
        raise InputError("two styles have the same name: give each its own")
    settings = _with(perceptual.StylistSettings(), options)
    network, names = perceptual.train_styles(
        {name: _style(path) for name, _, path in named},
        _photos(options, settings.size),
        options.out,
        settings,
        begun=options.begun,
        device=options.device,
    )
    if options.export:
        perceptual.export(network, names, options.out, options.export)


def _style(path: str) -> "Tensor":
    from haarmony.media.kinds import to_picture, to_tensor

    return to_tensor(to_picture(path))[0]


def _photos(options: argparse.Namespace, size: int) -> "list[Tensor]":
    from haarmony.training.photos import load_photos

    if not options.photos:
        raise InputError("photographs are missing: give --photos DIR")
    return load_photos(options.photos, at_least=size)


def _validation(options: argparse.Namespace) -> "list[Tensor]":
    from haarmony.training.photos import load_photos

    return load_photos(options.validation) if options.validation else []


def _with(settings: _Settings, options: argparse.Namespace) -> _Settings:
    names = (*_SETTINGS, *_DECODER_SETTINGS, *_STYLIST_SETTINGS)
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    return replace(settings, **given)  # type: ignore[type-var]


def _teacher() -> "VGGFeatures":
    from haarmony.networks.oxford import oxford_vgg19
    from haarmony.networks.vgg_features import VGGFeatures

    return VGGFeatures(oxford_vgg19(), padding="reflect")
