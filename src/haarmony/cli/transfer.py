"""`haarmony transfer`: one photo with the light of another."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haarmony.cli.console import say, working
from haarmony.errors import InputError

if TYPE_CHECKING:
    from haarmony.style import Style


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
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    inputs = [options.content, options.style, options.content_mask, options.style_mask]
    _refuse_replacing(options.output, [path for path in inputs if path is not None])
    with working(f"{options.content} in the light of {options.style}", quiet=options.quiet):
        from haarmony.media.image import read_image
        from haarmony.media.sink import check_writable
        from haarmony.pipelines.photo import transfer

        check_writable(options.output)
        content = read_image(options.content)
        height, width = content.pixels.shape[:2]
        check_writable(options.output, size=(height, width))
        transfer(
            content,
            _style(options.style),
            model=options.model,
            strength=options.strength,
            content_mask=options.content_mask,
            style_mask=options.style_mask,
            stages=options.stages,
        ).save(options.output)
    if not options.quiet:
        say(f"{options.output}: {width} x {height} in {time.perf_counter() - start:.1f} s")


def _style(path: str) -> "str | Style":
    if Path(path).suffix.lower() != ".safetensors":
        return path
    from haarmony.style import Style

    return Style.load(path)


def _refuse_replacing(output: str, inputs: list[str]) -> None:
    """The output may replace a file, but never one of the inputs."""
    target = Path(output)
    for path in inputs:
        if target.exists() and Path(path).exists() and target.samefile(path):
            raise InputError(f"{output!r} is also an input and would be lost: give the output another name")
