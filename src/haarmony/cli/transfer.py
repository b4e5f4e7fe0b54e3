"""`haarmony transfer`: one photo with the light of another."""

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haarmony.cli.console import say, working
from haarmony.errors import InputError

if TYPE_CHECKING:
    from haarmony.style import Style


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
    parser.add_argument(
        "style", metavar="STYLE", help="the photo whose light it gets, or a saved .safetensors style"
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
        help="regions of STYLE; those of one colour, or palette entry, belong together",
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


def _run(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    inputs = [options.content, options.style, options.content_mask, options.style_mask]
    _refuse_replacing(options.output, [path for path in inputs if path is not None])
    with working(f"{options.content} in the light of {options.style}", quiet=options.quiet):
        from haarmony.pipelines.photo import Ways, transfer_file

        written = transfer_file(
            options.content,
            _style(options.style),
            options.output,
            model=options.model,
            strength=options.strength,
            content_mask=options.content_mask,
            style_mask=options.style_mask,
            stages=options.stages,
            ways=Ways(options.detail, options.statistics, options.max_memory),
        )
    if not options.quiet:
        took = time.perf_counter() - start
        say(f"{options.output}: {written.width} x {written.height} in {took:.1f} s")


def _style(path: str) -> "str | Style":
    if Path(path).suffix.lower() != ".safetensors":
        return path
    from haarmony.style import Style

    return Style.load(path)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 400M or 1.5G, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _refuse_replacing(output: str, inputs: list[str]) -> None:
    """The output may replace a file, but never one of the inputs."""
    target = Path(output)
    for path in inputs:
        if target.exists() and Path(path).exists() and target.samefile(path):
            raise InputError(f"{output!r} is also an input and would be lost: give the output another name")
