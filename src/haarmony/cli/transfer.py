"""`haarmony transfer`: one photo with the light of another."""

import argparse
import re
import time
from typing import Any

from haarmony.cli.console import say, working
from haarmony.cli.inputs import Weighted, open_style, weighted
from haarmony.cli.paths import refuse_replacing
from haarmony.errors import InputError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "transfer",
        parents=[shared],
        help="give a photo the light of another",
        description="Give CONTENT the light of STYLE; its depth, colour profile, alpha and EXIF are kept.",
    )
    parser.add_argument("content", metavar="CONTENT", help="the photo to change")
    positional = parser.add_argument(
        "style", metavar="STYLE", help="the photo whose light it gets, or a saved .safetensors style"
    )
    parser.add_argument(
        "--style",
        metavar="PATH[:WEIGHT]",
        dest="styles",
        action=_Instead,
        of=positional,
        default=[],
        help="in place of STYLE, as often as wanted: several styles are mixed by their weights",
    )
    parser.add_argument(
        "--mix",
        default="maps",
        metavar="HOW",
        help="how several styles become one: maps (the default) or barycentre",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help=".jpg, .png, .webp, .tif or .avif; replaced if there",
    )
    parser.add_argument(
        "--model", default="compact", help="compact (the default) or vgg19; see haarmony models"
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        metavar="S",
        help="from 0, nothing, to 1, the full transfer (default)",
    )
    parser.add_argument("--content-mask", metavar="M", help="regions of CONTENT, an image of its size")
    parser.add_argument(
        "--style-mask",
        metavar="M",
        action="append",
        default=[],
        help="regions of STYLE; those of one colour, or palette entry, belong together; once for each photo "
        "among several styles",
    )
    parser.add_argument(
        "--stages",
        type=lambda text: text.split(","),
        metavar="A,B",
        help="where features are matched: any of encoder,skip,decoder (default: the model's own choice)",
    )
    parser.add_argument(
        "--detail",
        choices=["carry", "network"],
        help="who makes the full picture: colours carried to it from a reduced copy, or the network, tile by "
        "tile (default: carry for compact, network for vgg19)",
    )
    statistics = parser.add_mutually_exclusive_group()
    statistics.add_argument(
        "--exact",
        dest="statistics",
        action="store_const",
        const="exact",
        help="with the network's detail: statistics of every pixel, in several passes (default up to 4 MP)",
    )
    statistics.add_argument(
        "--proxy",
        dest="statistics",
        action="store_const",
        const="proxy",
        help="with the network's detail: statistics of reduced copies, in one pass (default above 4 MP)",
    )
    parser.add_argument(
        "--max-memory",
        type=_bytes,
        metavar="400M",
        help="that the process may take, with K, M or G: tiles are made to fit (default: half of what is "
        "free)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


class _Instead(argparse.Action):
    """Collects styles, and takes the positional off the list of what is required.

    As `nargs="?"` would, but Python before 3.13 then takes CONTENT -o OUT STYLE for a STYLE too many.
    """

    def __init__(self, *args: Any, of: argparse.Action, **options: Any) -> None:
        super().__init__(*args, **options)
        self._positional = of

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        self._positional.required = False
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), weighted(values)])


def _run(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    if options.style is not None and options.styles:
        raise InputError("the style is given twice: give either STYLE or --style, which can be repeated")
    styles = options.styles or [Weighted(options.style, 1.0)]
    paths = [style.path for style in styles]
    masks = [options.content_mask] if options.content_mask else []
    refuse_replacing(options.output, [options.content, *paths, *masks, *options.style_mask])
    with working(f"{options.content} in the light of {', '.join(paths)}", quiet=options.quiet):
        from haarmony.pipelines.photo import transfer_file
        from haarmony.pipelines.ways import Ways

        written = transfer_file(
            options.content,
            [(open_style(path), weight) for path, weight in styles],
            options.output,
            model=options.model,
            strength=options.strength,
            content_mask=options.content_mask,
            style_mask=options.style_mask or None,
            mix=options.mix,
            stages=options.stages,
            ways=Ways(options.detail, options.statistics, options.max_memory),
        )
    if not options.quiet:
        took = time.perf_counter() - start
        say(f"{options.output}: {written.width} x {written.height} in {took:.1f} s")


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 400M or 1.5G, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2].upper()])
