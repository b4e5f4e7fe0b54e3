"""`haarmony transfer --method NAME`: any method of the literature, with its own options by `--set`."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haarmony.cli.console import say, stepping
from haarmony.cli.inputs import SAVED, Weighted
from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing

if TYPE_CHECKING:
    from haarmony.methods.method import Method, Step, Styles
    from haarmony.pipelines.batch import Done
    from haarmony.pipelines.control import Control

DEFAULT = "wct2"

FLAGS = {
    "steps": "of a method that takes many: at most",
    "seed": "of a method that draws at random",
    "loss": "of style: gram, mmd-linear, mmd-poly, mmd-rbf or bn",
    "backbone": "the network of the features: vgg19, compact or a file",
}
"""Options of methods that have a flag of their own beside `--set`."""

_OF_WCT2 = {
    "model": "--model",
    "mix": "--mix",
    "auto_masks": "--auto-masks",
    "stages": "--stages",
    "level_strength": "--level-strength",
    "detail": "--detail",
    "statistics": "--exact and --proxy",
    "max_memory": "--max-memory",
    "precision": "--precision",
}


def chosen(options: argparse.Namespace) -> "Method | None":
    """The method that a command line asks for; None for the default, wct2.

    Raises:
        InputError: for a name or an option that there is not, or that does not go with the method.
    """
    settings = _settings(options.settings)
    if options.method == DEFAULT:
        for name in FLAGS:
            if getattr(options, name) is not None:
                raise InputError(f"{DEFAULT} has no option {name!r}: leave --{name} out, or give --method")
        if options.snapshot is not None:
            raise InputError(f"{DEFAULT} has no steps to take snapshots of: leave --snapshot out")
        if options.style_name:
            raise InputError(
                f"{DEFAULT} takes a picture, not the name of a style: give STYLE, or another --method"
            )
        if settings:
            raise InputError(
                f"{DEFAULT} has no options by --set: its own are --model, --stages and more, "
                "see haarmony transfer --help"
            )
        return None
    from haarmony.methods import make, method_class

    for name, flag in _OF_WCT2.items():
        if getattr(options, name) not in (None, []):
            raise InputError(f"{flag} belongs to {DEFAULT}: options of {options.method} are given by --set")
    if len(options.style_name) > 1 and isinstance(
        getattr(method_class(options.method), "style_name", None), str
    ):
        raise InputError(f"{options.method} has one style at a time: give --style-name once")
    settings.setdefault("device", options.device)
    given = {
        **{name: getattr(options, name) for name in FLAGS},
        "strength": None if options.strength is None else str(options.strength),
        "style_name": ",".join(options.style_name) or None,
    }
    for name, value in given.items():
        if value is not None and name in settings:
            raise InputError(f"{name} is given twice: leave out --set {name}, or --{name.replace('_', '-')}")
        if value is not None:
            settings[name] = value
    method = make(options.method, settings)
    if options.snapshot is not None and not hasattr(method, "steps"):
        raise InputError(f"{options.method} has no steps to take snapshots of: leave --snapshot out")
    return method


def run_one(
    options: argparse.Namespace, method: "Method", content: str | None, styles: Sequence[Weighted]
) -> None:
    """One file, with the steps shown on a terminal."""
    start = time.perf_counter()
    paths = [style.path for style in styles]
    masks = [path for path in (options.content_mask, options.protect) if path]
    refuse_replacing(options.output, [*([content] if content else []), *paths, *masks, *options.style_mask])
    given = _styles(options.method, styles)
    losses: list[float] = []
    with stepping(f"{content or options.output} by {options.method}", quiet=options.quiet) as show:
        from haarmony.pipelines.by_method import method_file

        def watch(step: "Step") -> None:
            if step.loss is not None:
                losses.append(step.loss)
            show(step.done, step.steps, "" if step.loss is None else f"loss {step.loss:.4g}")

        written = method_file(
            method,
            content,
            given,
            options.output,
            content_mask=options.content_mask,
            style_mask=options.style_mask or None,
            control=_control(options),
            snapshot=options.snapshot,
            watch=watch,
        )
    if not options.quiet:
        height, width = written.pixels.shape[:2]
        descent = f", {len(losses)} steps to a loss of {losses[-1]:.4g}" if losses else ""
        say(f"{options.output}: {width} x {height} in {time.perf_counter() - start:.1f} s{descent}")


def batch(
    options: argparse.Namespace,
    method: "Method",
    contents: Sequence[Path],
    styles: Sequence[Weighted],
    targets: Sequence[Path],
) -> "Iterator[Done]":
    """Many files, one after the other."""
    from haarmony.devices import usable
    from haarmony.pipelines.batch import refuse_clashes, run
    from haarmony.pipelines.by_method import method_file

    if options.snapshot is not None:
        raise InputError("--snapshot goes with a single CONTENT and a file for OUT")
    refuse_clashes(targets, [*contents, *(style.path for style in styles), *options.style_mask])
    usable(method.device)
    given, control, masks = _styles(options.method, styles), _control(options), options.style_mask or None

    def one(content: Path, target: Path) -> object:
        return method_file(method, content, given, target, style_mask=masks, control=control)

    return run(contents, targets, one, resume=options.resume, workers=1)


def _settings(texts: Sequence[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise InputError(f"expected --set NAME=VALUE such as steps=200, got {text!r}")
        if name in settings:
            raise InputError(f"{name} is given twice: leave out one --set {name}")
        settings[name] = value
    return settings


def _styles(method: str, styles: Sequence[Weighted]) -> "Styles | None":
    for style in styles:
        if Path(style.path).suffix.lower() == SAVED:
            raise InputError(f"{style.path!r} is a saved style of {DEFAULT}: give {method} a picture")
    return [(style.path, style.weight) for style in styles] or None


def _control(options: argparse.Namespace) -> "Control":
    from haarmony.pipelines.control import Control

    return Control(options.preserve, options.protect, options.grain)
