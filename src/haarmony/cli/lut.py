"""`haarmony lut`: the light of a photo as a look-up table; `haarmony lut apply`: a table over pictures."""

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from haarmony.cli.console import complain, say, working
from haarmony.cli.inputs import open_style
from haarmony.errors import InputError
from haarmony.media.files import made_folder, refuse_replacing

if TYPE_CHECKING:
    from haarmony.media.lut import Lut

APPLY: Final = "lut apply"


def two_words(given: Sequence[str]) -> list[str]:
    """Join `lut apply` to one word: no command of argparse takes either files or a command of its own."""
    words = list(given)
    at = next((at for at, word in enumerate(words) if not word.startswith("-")), 0)
    return [*words[:at], APPLY, *words[at + 2 :]] if words[at : at + 2] == APPLY.split() else words


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add both commands to the parser."""
    _add_lut(commands, shared)
    _add_apply(commands, shared)


def _add_lut(commands: Any, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "lut",
        parents=[shared],
        help="keep the light of a photo as a look: .cube or HaldCLUT",
        description="Fit a 3D look-up table to what the light of STYLE does to CONTENT, and say how near it "
        "comes. It works in CONTENT's colour space. A name that ends in .png gives a HaldCLUT of 16 bits: "
        "level 6 (36 points a side) for the sizes 17 and 33, level 8 (64 points) for 65.",
    )
    parser.add_argument("content", metavar="CONTENT", help="a photo of the kind that the look is for")
    parser.add_argument(
        "style", metavar="STYLE", help="the photo whose light it gets, or a saved .safetensors style"
    )
    parser.add_argument(
        "-o", "--output", metavar="LUT", required=True, help=".cube or .png; replaced if there"
    )
    parser.add_argument(
        "--size", type=int, choices=(17, 33, 65), default=33, help="points a side (default: 33)"
    )
    parser.add_argument("--model", default="compact", help="compact (the default) or vgg19")
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        metavar="S",
        help="from 0, nothing, to 1, the full transfer (default)",
    )
    parser.add_argument("--content-mask", metavar="M", help="regions of CONTENT, an image of its size")
    parser.add_argument("--style-mask", metavar="M", help="regions of STYLE")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_make)


def _add_apply(commands: Any, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        APPLY,
        parents=[shared],
        help="lay a look over pictures",
        description="Lay LUT over every PICTURE; depth, colour profile, alpha and EXIF are kept. A picture "
        "of another colour space than the table's is converted to that space and back, with a warning. What "
        "cannot be done is listed at the end, and the rest is done.",
    )
    parser.add_argument("lut", metavar="LUT", help="a .cube file, or a HaldCLUT as .png or .tif")
    parser.add_argument(
        "pictures",
        metavar="PICTURE",
        nargs="+",
        help="a photo to change, a folder of them, or a pattern such as 'in/*.jpg'",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="a folder, made if needed, for files of the pictures' names (as .jpg where their kind is not "
        "written); or a file name for one picture",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_apply)


def _make(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    inputs = [options.content, options.style, options.content_mask, options.style_mask]
    refuse_replacing(options.output, [path for path in inputs if path is not None])
    with working(f"the light of {options.style} as a look", quiet=options.quiet):
        from haarmony.media import hald
        from haarmony.media.image import read_image
        from haarmony.media.lut_files import check_writable_lut, is_hald, write_lut
        from haarmony.pipelines.look import fit_lut, residual
        from haarmony.pipelines.photo import transfer

        check_writable_lut(options.output)
        content = read_image(options.content)
        result = transfer(
            content,
            open_style(options.style),
            model=options.model,
            strength=options.strength,
            content_mask=options.content_mask,
            style_mask=options.style_mask,
        )
        size = hald.level_for(options.size) ** 2 if is_hald(options.output) else options.size
        title = f"{Path(options.content).name} in the light of {Path(options.style).name}"
        lut = fit_lut(content, result, size=size, title=title)
        write_lut(options.output, lut)
        left = residual(lut, content, result)
    if not options.quiet:
        say(
            f"{options.output}: {size} points a side, {lut.space}, in {time.perf_counter() - start:.1f} s; "
            f"difference to the transfer, CIEDE2000: median {left.median:.1f}, "
            f"95th percentile {left.percentile_95:.1f}"
        )


def _apply(options: argparse.Namespace) -> None:
    with working(f"reading {options.lut}", quiet=options.quiet):
        from haarmony.media.lut_files import read_lut
        from haarmony.pipelines.batch import expanded, refuse_clashes

        lut = read_lut(options.lut)
        contents = expanded(options.pictures)
    targets, folder = _targets(contents, options.output)
    refuse_clashes(targets, [*contents, options.lut])
    with nullcontext() if folder is None else made_folder(folder):
        failures = _apply_to_all(lut, contents, targets, quiet=options.quiet)
    if failures and len(contents) == 1:
        raise failures[0]
    for failure in failures:
        complain(str(failure))
    if failures:
        raise InputError(
            f"{len(failures)} of {len(contents)} pictures failed, as listed above; the rest is done"
        )


def _apply_to_all(
    lut: "Lut", contents: Sequence[Path], targets: Sequence[Path], *, quiet: bool
) -> list[Exception]:
    """Lay the look over every picture, and return why some failed."""
    from haarmony.pipelines.batch import failure
    from haarmony.pipelines.lut_over_file import apply_to_file

    failures: list[Exception] = []
    for number, (content, target) in enumerate(zip(contents, targets, strict=True), start=1):
        start = time.perf_counter()
        try:
            with working(f"{number} of {len(contents)}: {content}", quiet=quiet):
                header = apply_to_file(lut, content, target)
        except Exception as error:
            failures.append(failure(error, content))
            continue
        if not quiet:
            took = time.perf_counter() - start
            say(f"{target}: {header.width} x {header.height} in {took:.1f} s")
    return failures


def _targets(contents: Sequence[Path], output: str) -> tuple[list[Path], Path | None]:
    """Where the result of each picture goes, and the folder of all."""
    from haarmony.pipelines.batch import outputs

    out = Path(output)
    if out.is_dir() or output.endswith(("/", os.sep)) or not out.suffix:
        return outputs(contents, out), out
    if len(contents) > 1:
        raise InputError(
            f"{output!r} is one file for {len(contents)} pictures: give a folder, {output + '/'!r}"
        )
    return [out], None
