"""`haarmony style`: the light of a picture as a small file, and what such a file holds."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from haarmony.cli.console import say, working
from haarmony.cli.inputs import SAVED
from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing

if TYPE_CHECKING:
    from haarmony.style import Style

_COLUMNS: Final = ("model", "weights", "haarmony", "site", "channels", "label", "area", "pixels")


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    text = "keep the light of photos as a small file"
    parser = commands.add_parser("style", parents=[shared], help=text, description=text.capitalize() + ".")
    actions = parser.add_subparsers(metavar="WHAT", required=True)
    _add_save(actions, shared)
    _add_show(actions, shared)


def _add_save(actions: Any, shared: argparse.ArgumentParser) -> None:
    parser = actions.add_parser(
        "save",
        parents=[shared],
        help="write the style of a photo, or of several together",
        description="Write the style of PICTURE; of several, their statistics are added up, pixel by pixel "
        "alike. The statistics are taken in sRGB.",
    )
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="a photo whose light is kept")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help=f"a name that ends in {SAVED}")
    parser.add_argument(
        "--model", default="compact", help="that shall use it: compact (the default) or vgg19"
    )
    parser.add_argument(
        "--mask", metavar="M", action="append", default=[], help="regions of PICTURE; once for each"
    )
    parser.add_argument(
        "--stages",
        type=lambda text: text.split(","),
        metavar="A,B",
        help="where features are matched: any of encoder,skip,decoder (default: the model's own choice)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_save)


def _add_show(actions: Any, shared: argparse.ArgumentParser) -> None:
    parser = actions.add_parser(
        "show",
        parents=[shared],
        help="tell what a style file holds",
        description="Tell what a style file holds: a table on a terminal, lines of tab-separated fields in a "
        "pipe.",
    )
    parser.add_argument("style", metavar="STYLE", help=f"a {SAVED} file of haarmony style save")
    parser.set_defaults(run=_show)


def _save(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    if Path(options.output).suffix.lower() != SAVED:
        raise InputError(f"{options.output!r} is no name of a style: end it in {SAVED}")
    refuse_replacing(options.output, [*options.pictures, *options.mask])
    with working(f"the style of {', '.join(options.pictures)}", quiet=options.quiet):
        from haarmony.pipelines.styles import make_style
        from haarmony.style import check_writable

        check_writable(options.output)
        style = make_style(options.pictures, model=options.model, masks=options.mask, stages=options.stages)
        style.save(options.output)
    if not options.quiet:
        kilobytes, took = Path(options.output).stat().st_size / 1000, time.perf_counter() - start
        pictures = f"{len(options.pictures)} picture{'s' * (len(options.pictures) > 1)}"
        say(f"{options.output}: {pictures} for {options.model}, {kilobytes:.0f} kB in {took:.1f} s")


def _show(options: argparse.Namespace) -> None:
    from haarmony.style import Style

    style = Style.load(options.style)
    if sys.stdout.isatty():
        _draw(style)
        return
    say("\t".join(_COLUMNS))
    for row in _rows(style):
        say("\t".join((*_origin(style), *row)))


def _origin(style: "Style") -> tuple[str, str, str]:
    name, _, weights = style.model.partition(" ")
    return _printable(name), _printable(weights), _printable(style.version)


def _rows(style: "Style") -> Iterator[tuple[str, ...]]:
    """Site, channels, label, area in pixels of the pictures, and pixels at the site."""
    for site, labels in style.moments().items():
        for label, moments in labels.items():
            area = "" if style.areas is None else f"{style.areas[label]:.0f}"
            yield _printable(site), str(moments.channels), _printable(label), area, f"{moments.count:.0f}"


def _draw(style: "Style") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    name, weights, version = _origin(style)
    table = Table(*_COLUMNS[3:], title=Text(f"{name}, weights {weights}, made by haarmony {version}"))
    for column, kind in zip(table.columns, _COLUMNS[3:], strict=True):
        column.justify = "right" if kind in ("channels", "area", "pixels") else "left"
    for row in _rows(style):
        table.add_row(*map(Text, row))
    Console().print(table)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)
