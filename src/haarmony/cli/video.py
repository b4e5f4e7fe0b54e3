"""`haarmony video`: a film with the light of a photo."""

import argparse
import re
import time
import warnings
from typing import Any, Final

from haarmony.cli.arguments import Instead, add_device, add_precision
from haarmony.cli.console import counting, say, working
from haarmony.cli.inputs import open_style
from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing

_TIME: Final = re.compile(r"(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d+)?)")


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "video",
        parents=[shared],
        help="give a film the light of a photo",
        description="Give CLIP the light of STYLE, shot by shot; sound, subtitles, times, chapters and "
        "metadata are copied. Ctrl-C leaves a film of what is done, and --resume goes on.",
    )
    parser.add_argument("clip", metavar="CLIP", help="the film to change")
    positional = parser.add_argument(
        "style", metavar="STYLE", help="the photo whose light it gets, or a saved .safetensors style"
    )
    parser.add_argument(
        "--style",
        metavar="TIME=PATH",
        dest="schedule",
        type=_scheduled,
        action=Instead,
        of=[positional],
        default=[],
        help="in place of STYLE, as often as wanted: 0:00=noon.jpg, 1:30=dusk.jpg; one passes into the other",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help=".mp4, .m4v, .mkv (H.264, or HEVC for more than 8 bits), .mov (ProRes) or .webm (AV1); "
        "replaced if there; or a folder without pictures, its name ending in a slash, for numbered frames",
    )
    parser.add_argument(
        "--model", default="compact", help="compact (the default), vgg19 or vgg19_sum; see haarmony models"
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        metavar="S",
        help="from 0, nothing, to 1, the full transfer (default)",
    )
    parser.add_argument(
        "--path",
        choices=["carry", "network", "lut"],
        default="carry",
        help="how frames are made: colours carried from a reduced copy (default), by the network at full "
        "size, or by one table of colours a shot, the fastest",
    )
    parser.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help="take statistics over so long instead of over a whole shot: follows a sunset",
    )
    parser.add_argument(
        "--content-mask", metavar="M", help="regions of CLIP: a picture for all frames, a folder or a film"
    )
    parser.add_argument(
        "--style-mask", metavar="M", help="regions of STYLE; those of one colour belong together"
    )
    parser.add_argument(
        "--auto-masks",
        type=int,
        metavar="K",
        help="without masks: find K kinds of regions, 2 to 8, in each shot and STYLE, and follow them",
    )
    parser.add_argument(
        "--preserve",
        choices=["none", "luminance", "color"],
        default="none",
        help="take the colours alone and keep CLIP's luminance, or the luminance alone",
    )
    parser.add_argument(
        "--protect", metavar="M", help="an image of CLIP's size: white places stay as they are"
    )
    parser.add_argument(
        "--codec", choices=["h264", "hevc", "av1", "prores"], help="in place of the one that OUT's name says"
    )
    parser.add_argument(
        "--quality",
        metavar="Q",
        help="a CRF, less is better (default: h264 17, hevc 20, av1 26); for prores proxy, lt, standard, "
        "hq (default) or 4444",
    )
    add_device(parser)
    add_precision(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with what was stopped; a whole film is made again"
    )
    parser.add_argument(
        "--keep-partial", action="store_true", help="of a damaged film, take what can be decoded"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    schedule: dict[float, str] = dict(options.schedule)
    if options.style is not None and schedule:
        raise InputError("the style is given twice: give either STYLE or --style, which can be repeated")
    if len(schedule) < len(options.schedule):
        raise InputError("two styles are given for the same time: leave one out")
    paths = [options.style] if options.style is not None else list(schedule.values())
    masks = [path for path in (options.content_mask, options.style_mask, options.protect) if path]
    refuse_replacing(options.output, [options.clip, *paths, *masks])
    with working(f"reading {options.clip}", quiet=options.quiet):
        from haarmony.media.film import open_film

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come with the transfer
            header = open_film(options.clip, keep_partial=options.keep_partial).header
        from haarmony.pipelines.clip import transfer_film
        from haarmony.pipelines.control import Control
        from haarmony.pipelines.ways import Ways

        style: Any = {seconds: open_style(path) for seconds, path in schedule.items()}
        if options.style is not None:
            style = open_style(options.style)
    with counting(header.frames, quiet=options.quiet) as progress:
        done = transfer_film(
            options.clip,
            style,
            options.output,
            model=options.model,
            strength=options.strength,
            path=options.path,
            window=options.window,
            content_mask=options.content_mask,
            style_mask=options.style_mask,
            auto_masks=options.auto_masks,
            ways=Ways(device=options.device, precision=options.precision or "float32"),
            control=Control(options.preserve, options.protect, grain="keep"),
            codec=options.codec,
            quality=options.quality,
            resume=options.resume,
            keep_partial=options.keep_partial,
            progress=progress,
        )
    if not options.quiet:
        took = time.perf_counter() - start
        say(f"{options.output}: {done} frames of {header.width} x {header.height} in {took:.1f} s")


def _scheduled(text: str) -> tuple[float, str]:
    moment, _, path = text.partition("=")
    match = _TIME.fullmatch(moment)
    if match is None or not path:
        raise argparse.ArgumentTypeError(f"expected TIME=PATH such as 0:10=dusk.jpg, got {text!r}")
    hours, minutes, seconds = (float(match[name] or 0) for name in ("hours", "minutes", "seconds"))
    return 3600 * hours + 60 * minutes + seconds, path
