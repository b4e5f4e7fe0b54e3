"""`haarmony evaluate`: methods, and other people's results, compared on pairs of pictures."""

import argparse
from pathlib import Path
from typing import Any, Final

from haarmony.cli.console import complain, counted, say, working
from haarmony.errors import InputError

_DEFAULT: Final = "wct2,photowct,wct,adain,monge_kantorovich,reinhard"


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        parents=[shared],
        help="compare methods on pairs of pictures: figures, intervals, a page with all pictures",
        description="Run methods on PAIRS, or read results of others, measure them, and write tables, a "
        "figure and one HTML page. Run again, it goes on where it was stopped.",
    )
    parser.add_argument(
        "pairs",
        metavar="PAIRS",
        nargs="?",
        type=Path,
        help="a folder: NAME/content.* and NAME/style.*, with content_mask.* and style_mask.* if wanted; or "
        "input/inN.*, style/tarN.*, segmentation/",
    )
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, required=True, help="a folder")
    parser.add_argument(
        "--methods",
        default=_DEFAULT,
        metavar="A,B,...",
        help="see haarmony methods; options behind colons, as neural_style:steps=100 or wct2:model=vgg19 "
        "(default: %(default)s); none for --outputs alone",
    )
    parser.add_argument(
        "--outputs",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="results of something else, a picture for every pair; can be repeated",
    )
    parser.add_argument("--no-masks", action="store_true", help="leave the masks of the pairs out")
    parser.add_argument(
        "--self-reference",
        metavar="PHOTOS",
        type=Path,
        help="in place of PAIRS, a folder of photos: one half is spoilt by a known change of colour, and the "
        "other is the style that should mend it",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the changes of --self-reference (default: 0)")
    parser.add_argument("--only", metavar="A,B", help="names of pairs")
    parser.add_argument("--size", type=int, metavar="N", help="reduce pictures to a long side of N")
    parser.add_argument(
        "--edges",
        metavar="MODULE:FUNCTION",
        help="what finds the edges that are compared, such as a HED network: (H, W, 3) in 0..1 to (H, W) in "
        "0..255 (default: Sobel)",
    )
    parser.add_argument(
        "--cost-sizes", metavar="N,N", help="also measure time and memory at these squares, such as 128,512"
    )
    parser.add_argument(
        "--cost-limit", type=float, default=300, metavar="S", help="seconds for one of them (default: 300)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if (options.pairs is None) == (options.self_reference is None):
        raise InputError("give either PAIRS or --self-reference PHOTOS")
    if options.self_reference is not None and options.outputs:
        raise InputError("--outputs belongs to PAIRS: leave it out with --self-reference")
    if options.size is not None and options.size < 32:
        raise InputError(f"a size is 32 pixels or more, got {options.size}")
    if options.seed < 0:
        raise InputError(f"a seed is 0 or more, got {options.seed}")
    if not options.cost_limit > 0:
        raise InputError(f"a limit is a number of seconds above 0, got {options.cost_limit:g}")
    sizes = [_size(text) for text in (options.cost_sizes or "").split(",") if text]
    with working("loading", quiet=options.quiet):
        from haarmony.evaluation.report.making import Comparison, compare
        from haarmony.evaluation.report.results import Contender

        names = [] if options.methods == "none" else options.methods.split(",")
        contenders = [Contender.of_method(name) for name in names]
        for text in options.outputs:
            name, equals, folder = text.partition("=")
            if not (equals and name and folder):
                raise InputError(f"expected --outputs NAME=DIR, got {text!r}")
            contenders.append(Contender(name, folder=Path(folder)))
        comparison = Comparison.begin(
            options.output,
            contenders,
            pairs=options.pairs,
            photos=options.self_reference,
            only=options.only.split(",") if options.only else None,
            masks=not options.no_masks,
            size=options.size,
            seed=options.seed,
            edges=options.edges,
        )
    failed = 0
    for result in counted(comparison.results(), comparison.count, quiet=options.quiet):
        if not result.figures:
            failed += 1
            complain(f"{result.contender}, {result.pair}: {result.note}")
    with working("the cost", quiet=options.quiet):
        written = compare(comparison, sizes, limit=options.cost_limit)
    if not options.quiet:
        for name, line in written.items():
            say(f"{name}: {line}")
        say(f"{options.output / 'report.html'}")
    if failed:
        raise InputError(
            f"{failed} of {comparison.count} results are not there, as listed above; the rest is"
        )


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < 16:
        raise InputError(f"a size of --cost-sizes is a number of pixels, 16 or more, got {text!r}")
    return int(text)
