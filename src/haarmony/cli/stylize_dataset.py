"""`haarmony stylize-dataset`: a stylized copy of an image-classification folder, or cue-conflict pictures."""

import argparse
import os
from pathlib import Path
from typing import Any, Final

from haarmony.cli.arguments import add_device
from haarmony.cli.console import complain, counted, say, working
from haarmony.errors import InputError

_DEFAULT: Final = "wct2"
_MOST_WORKERS: Final = 1024
_OF_CONFLICTS: Final = "neural_style"


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "stylize-dataset",
        parents=[shared],
        help="make a stylized copy of an image-classification folder",
        description="Give every picture under FOLDER the look of one of the styles, under the same path in "
        "OUT. Run again, it goes on where it was stopped. With --cue-conflict it makes pictures with the "
        "shape of one class and the texture of another (Geirhos 2019).",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="pictures, in a folder a class")
    parser.add_argument(
        "--styles",
        metavar="DIR",
        type=Path,
        required=True,
        help="pictures; with --cue-conflict textures in a folder a class",
    )
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help="a folder")
    parser.add_argument(
        "--cue-conflict",
        type=int,
        nargs="?",
        const=1,
        metavar="N",
        help="of each picture, N (default: 1) with the texture of N other classes",
    )
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="see haarmony methods (default: wct2; of cue conflicts neural_style, as in the paper)",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the method, such as steps=200; of wct2 model and strength; can be repeated",
    )
    parser.add_argument("--seed", type=int, default=0, help="which picture gets which style (default: 0)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="pictures in work at once, a thread each (default: one a processor)",
    )
    add_device(parser)
    parser.add_argument("--shard", type=_part, default=(1, 1), metavar="I/N", help="one part of N, from 1/N")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


def _part(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a part such as 1/4, got {text!r}")
    return int(number), int(of)


def _run(options: argparse.Namespace) -> None:
    workers = options.workers if options.workers is not None else os.cpu_count() or 1
    if not 1 <= workers <= _MOST_WORKERS:
        raise InputError(f"the number of workers is 1 or more, up to {_MOST_WORKERS}, got {workers}")
    _refuse_overlap(options.folder, options.output)
    _refuse_overlap(options.styles, options.output)
    name = options.method or (_DEFAULT if options.cue_conflict is None else _OF_CONFLICTS)
    with working("looking", quiet=options.quiet):
        from haarmony.pipelines import dataset, stylizing
        from haarmony.pipelines.begun import begin

        sources, styles = dataset.pictures(options.folder), dataset.pictures(options.styles)
        if options.cue_conflict is None:
            jobs = dataset.stylized(sources, styles, seed=options.seed)
        else:
            jobs = dataset.cue_conflicts(sources, styles, seed=options.seed, each=options.cue_conflict)
        mine = dataset.shard(jobs, *options.shard)
        method, strength = _method(name, _settings(options.settings), options.device)
        begin(
            options.output,
            {
                "method": name,
                "settings": sorted(options.settings),
                "seed": options.seed,
                "styles": stylizing.digest(styles),
                "cue conflicts": options.cue_conflict,
                # there the names of the results are numbers of the sources
                "sources": None if options.cue_conflict is None else stylizing.digest(sources),
            },
        )
    folders = options.folder, options.styles, options.output
    batch = stylizing.stylize(mine, folders, method, strength=strength, workers=workers)
    failed = skipped = 0
    for done in counted(batch, len(mine), quiet=options.quiet):
        skipped += done.skipped
        if done.error is not None:
            failed += 1
            complain(str(done.error))
    number, of = options.shard
    manifest = options.output / ("manifest.csv" if of == 1 else f"manifest-{number}-of-{of}.csv")
    there = stylizing.write_manifest(manifest, mine, options.output, seed=options.seed)
    if not options.quiet:
        say(f"{manifest}: {there} pictures, {skipped} of them were there before")
    if failed:
        raise InputError(f"{failed} of {len(mine)} pictures failed, as listed above; the rest is there")


def _settings(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for (name, equals, _), text in zip(pairs, given, strict=True):
        if not (name and equals):
            raise InputError(f"expected --set NAME=VALUE such as steps=200, got {text!r}")
    return {name.strip().replace("-", "_"): value for name, _, value in pairs}


def _method(name: str, settings: dict[str, str], device: str) -> tuple[Any, float]:
    """The method, and the strength where it is WCT2, whose loaded model does not keep it."""
    from haarmony.devices import usable

    if name != _DEFAULT:
        from haarmony.methods import make

        method = make(name, {"device": device, **settings})
        usable(method.device)
        if not (method.takes_style and hasattr(method, "strength")):
            raise InputError(f"{name} does not give a picture the look of a style: choose another method")
        return method, 1.0
    from haarmony.methods.wct2 import WCT2, check_request

    unknown = settings.keys() - {"model", "strength"}
    if unknown:
        raise InputError(f"{name} has no option {unknown.pop()!r} here: choose model or strength")
    try:
        strength = float(settings.get("strength", "1"))
    except ValueError:
        raise InputError(f"strength is a number from 0 to 1, got {settings['strength']!r}") from None
    check_request(strength, has_content_mask=False, has_style_mask=False)
    return WCT2.load(settings.get("model", "compact")).to(usable(device)), strength


def _refuse_overlap(given: Path, output: Path) -> None:
    one, other = given.resolve(), output.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise InputError(f"{str(output)!r} and {str(given)!r} lie in each other: give a folder apart")
