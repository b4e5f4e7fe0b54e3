"""`haarmony transfer`: one photo with the light of another."""

import argparse
import os
import re
import time
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haarmony.cli import by_method
from haarmony.cli.arguments import Excusing, Instead, add_device, add_precision
from haarmony.cli.console import complain, counted, say, working
from haarmony.cli.inputs import Weighted, open_style, weighted
from haarmony.errors import InputError
from haarmony.media.files import made_folder, refuse_replacing

if TYPE_CHECKING:
    from haarmony.methods.method import Method
    from haarmony.pipelines.batch import Done

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "transfer",
        parents=[shared],
        help="give a photo the light of another",
        description="Give CONTENT the light of STYLE; its depth, colour profile, alpha and EXIF are kept. "
        "Several contents, a folder of them, or a pattern such as 'in/*.jpg', go to a folder.",
    )
    contents = parser.add_argument(
        "contents",
        metavar="CONTENT",
        nargs="+",
        default=[],
        help="the photo to change; or several, a folder of them, or a pattern; none for a method that makes "
        "a texture",
    )
    style = parser.add_argument(
        "style", metavar="STYLE", help="the photo whose light it gets, or a saved .safetensors style"
    )
    parser.add_argument(
        "--style",
        metavar="PATH[:WEIGHT]",
        dest="styles",
        action=Instead,
        of=[style],
        type=weighted,
        default=[],
        help="in place of STYLE, as often as wanted: several styles are mixed by their weights",
    )
    parser.add_argument(
        "--mix",
        metavar="HOW",
        help="how several styles become one: maps (the default) or barycentre",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help=".jpg, .png, .webp, .tif or .avif; replaced if there. A folder for several contents",
    )
    parser.add_argument(
        "--resume", action="store_true", help="of several contents, leave those whose output is there"
    )
    parser.add_argument("--model", help="compact (the default), vgg19 or vgg19_sum; see haarmony models")
    parser.add_argument(
        "--method",
        action=Excusing,
        of=[contents, style],
        default="wct2",
        metavar="NAME",
        help="another method than wct2 (the default), with its own options by --set; see haarmony methods",
    )
    parser.add_argument(
        "--style-name",
        action="append",
        default=[],
        metavar="NAME[=WEIGHT]",
        help="of a method that brings its styles along: which; can be repeated where it mixes them",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the method, such as steps=200; can be repeated",
    )
    for name, text in by_method.FLAGS.items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"short for --set {name}=VALUE: {text}")
    parser.add_argument(
        "--snapshot",
        type=int,
        metavar="N",
        help="of a method that takes many steps: write what there is after every N, beside OUT",
    )
    parser.add_argument(
        "--strength",
        type=float,
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
        "--auto-masks",
        type=int,
        metavar="K",
        help="without masks: find K kinds of regions, 2 to 8, in both pictures that belong together",
    )
    parser.add_argument(
        "--stages",
        type=lambda text: text.split(","),
        metavar="A,B",
        help="where features are matched: any of encoder,skip,decoder (default: the model's own choice)",
    )
    parser.add_argument(
        "--level-strength",
        type=_share,
        metavar="NAME=S",
        action="append",
        default=[],
        help="a share of the strength at fine or coarse levels, a stage, or one level of it: coarse=0.5, "
        "skip=0, encoder1=0.3; can be repeated",
    )
    parser.add_argument(
        "--preserve",
        choices=["none", "luminance", "color"],
        default="none",
        help="take the colours alone and keep CONTENT's luminance, or the luminance alone",
    )
    parser.add_argument(
        "--protect", metavar="M", help="an image of CONTENT's size: white places stay as they are"
    )
    parser.add_argument("--grain", choices=["keep"], help="keep the finest texture as strong as it was")
    parser.add_argument(
        "--detail",
        choices=["carry", "network"],
        help="who makes the full picture: colours carried to it from a reduced copy (default), or the "
        "network, tile by tile",
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
    add_device(parser)
    add_precision(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    chosen = by_method.chosen(options)
    contents: list[str] = options.contents
    if not contents and (chosen is None or chosen.takes_content):
        raise InputError("a content is missing: give CONTENT STYLE -o OUT; see haarmony transfer --help")
    if options.style is None and not options.styles and (chosen is None or chosen.takes_style):
        raise InputError("a style is missing: give CONTENT STYLE -o OUT; see haarmony transfer --help")
    if options.style is not None and options.styles:
        if not _is_folder(options.output):
            raise InputError("the style is given twice: give either STYLE or --style, which can be repeated")
        contents, options.style = [*contents, options.style], None
    if chosen is not None and not chosen.takes_style and options.style and _is_folder(options.output):
        contents, options.style = [*contents, options.style], None
    styles = options.styles or ([Weighted(options.style, 1.0)] if options.style is not None else [])
    stands_for_many = [path for path in contents if Path(path).is_dir() or _is_pattern(path)]
    if len(contents) > 1 or stands_for_many or _is_folder(options.output):
        _run_batch(options, contents, styles, chosen)
    elif options.resume:
        raise InputError("--resume goes with several contents: end OUT with a slash, or leave it out")
    elif chosen is not None:
        by_method.run_one(options, chosen, contents[0] if contents else None, styles)
    else:
        _run_one(options, contents[0], styles)


def _run_one(options: argparse.Namespace, content: str, styles: list[Weighted]) -> None:
    start = time.perf_counter()
    paths = [style.path for style in styles]
    masks = [path for path in (options.content_mask, options.protect) if path]
    refuse_replacing(options.output, [content, *paths, *masks, *options.style_mask])
    with working(f"{content} in the light of {', '.join(paths)}", quiet=options.quiet):
        from haarmony.pipelines.photo import transfer_file

        written = transfer_file(
            content,
            [(open_style(path), weight) for path, weight in styles],
            options.output,
            content_mask=options.content_mask,
            **_chosen(options),
        )
    if not options.quiet:
        took = time.perf_counter() - start
        say(f"{options.output}: {written.width} x {written.height} in {took:.1f} s")


def _run_batch(
    options: argparse.Namespace, patterns: list[str], styles: list[Weighted], method: "Method | None"
) -> None:
    for flag, path in (("--content-mask", options.content_mask), ("--protect", options.protect)):
        if path:
            raise InputError(f"{flag} belongs to one picture: give a single CONTENT and a file for OUT")
    if not _is_folder(options.output):
        what = (
            f"{patterns[0]!r} is a folder, and its pictures"
            if Path(patterns[0]).is_dir()
            else "several contents"
        )
        raise InputError(f"{what} need a folder to go to: end {options.output!r} with a slash")
    with working("loading", quiet=options.quiet):
        from haarmony.pipelines.batch import expanded, outputs
        from haarmony.pipelines.photo import transfer_files

        contents = expanded(patterns)
        targets = outputs(contents, Path(options.output))
        if method is not None:
            batch = by_method.batch(options, method, contents, styles, targets)
        else:
            opened = [(open_style(path), weight) for path, weight in styles]
            batch = transfer_files(contents, opened, targets, resume=options.resume, **_chosen(options))
    failures: list[Done] = []
    skipped = 0
    with made_folder(options.output):
        for done in counted(batch, len(contents), quiet=options.quiet):
            skipped += done.skipped
            if done.error is not None:
                failures.append(done)
            elif not options.quiet and not done.skipped:
                say(str(done.output))
    if failures and len(contents) == 1:
        raise failures[0].error or InputError("it failed")
    for failed in failures:
        complain(str(failed.error))
    if skipped and not options.quiet:
        say(f"{skipped} of {len(contents)} were there and were left")
    if failures:
        raise InputError(
            f"{len(failures)} of {len(contents)} files failed, as listed above; "
            f"the rest is in {options.output}"
        )


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    from haarmony.pipelines.control import Control
    from haarmony.pipelines.ways import Ways

    return {
        "model": options.model or "compact",
        "strength": 1.0 if options.strength is None else options.strength,
        "style_mask": options.style_mask or None,
        "auto_masks": options.auto_masks,
        "mix": options.mix or "maps",
        "stages": options.stages,
        "ways": Ways(
            options.detail,
            options.statistics,
            options.max_memory,
            shares=dict(options.level_strength),
            device=options.device,
            precision=options.precision or "float32",
        ),
        "control": Control(options.preserve, options.protect, options.grain),
    }


def _is_pattern(path: str) -> bool:
    return has_magic(path) and not Path(path).exists()


def _is_folder(path: str) -> bool:
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        return name, float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected NAME=STRENGTH such as coarse=0.5, got {text!r}") from None


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a number of bytes such as 400M or 1.5G, got {text!r}")
    count = int(float(match[1]) * _UNITS[match[2].upper()])
    if count == 0:
        raise argparse.ArgumentTypeError("expected more than no memory, such as 400M or 1.5G")
    return count
