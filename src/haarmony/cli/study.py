"""`haarmony study`: build a study of people's preference, serve it, and report the votes."""

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from haarmony.cli.console import complain, say, stepping
from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing

if TYPE_CHECKING:
    from haarmony.evaluation.study.report import Report

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_FIGURES: Final = ("share", "low", "high", "low_by_voters", "high_by_voters", "alpha")


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command and its own commands to the parser."""
    text = "Ask people which results have the fewest artefacts, the best stylization, and which they prefer."
    parser = commands.add_parser("study", parents=[shared], help="ask people which results are best")
    parser.description = text
    parts = parser.add_subparsers(metavar="PART", required=True)
    _add_build(parts, shared)
    serve = parts.add_parser("serve", parents=[shared], help="show the study as a web page")
    serve.add_argument("study", metavar="STUDY", type=Path, help="the folder that build made")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8080, help="default: 8080; 0 for any that is free")
    serve.set_defaults(run=_serve)
    report = parts.add_parser("report", parents=[shared], help="the votes as a table")
    report.add_argument("study", metavar="STUDY", type=Path, help="the folder that build made")
    report.add_argument("--csv", metavar="FILE", type=Path, help="also write the table; replaced if there")
    report.set_defaults(run=_report)


def _add_build(parts: Any, shared: argparse.ArgumentParser) -> None:
    parser = parts.add_parser("build", parents=[shared], help="make the folder of a study")
    parser.add_argument("pairs", metavar="PAIRS", type=Path, help="a folder of pairs of content and style")
    parser.add_argument(
        "--outputs",
        metavar="NAME=DIR",
        action="append",
        type=_named,
        required=True,
        help="a method and its results, a picture a pair named as the pair; once for each method",
    )
    parser.add_argument("-o", "--output", metavar="STUDY", type=Path, required=True, help="a new folder")
    parser.add_argument(
        "--voters",
        type=int,
        default=0,
        metavar="N",
        help="invite N voters by a link each (invitations.txt); without, the study is open to any browser",
    )
    parser.add_argument(
        "--side", type=int, default=1600, metavar="N", help="longest side of pictures (default: 1600)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors and warnings")
    parser.set_defaults(run=_build)


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=DIR such as wct2=results/wct2, got {text!r}")
    return name, Path(folder)


def _build(options: argparse.Namespace) -> None:
    outputs = dict(options.outputs)
    if len(outputs) < len(options.outputs):
        raise InputError("two --outputs have the same name: give every method a name of its own")
    with stepping("building", quiet=options.quiet) as show:
        from haarmony.evaluation.study.building import build

        study = build(
            options.pairs,
            outputs,
            options.output,
            voters=options.voters,
            side=options.side,
            tell=lambda done, total: show(done, total, ""),
        )
    if not options.quiet:
        whom = f"{options.voters} invited voters" if options.voters else "anybody"
        say(
            f"{options.output}: {len(study.items)} pairs, {len(outputs)} methods, for {whom}; "
            f"next: haarmony study serve {options.output}"
        )


def _serve(options: argparse.Namespace) -> None:
    from haarmony.evaluation.study.study import INVITATIONS, Study
    from haarmony.web.server import server
    from haarmony.web.study import answering

    study = Study.load(options.study)
    with server(answering(study), host=options.host, port=options.port) as serving:
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{serving.server_address[1]}/"
        say(f"{address}   Ctrl-C stops it; votes are kept")
        if study.invited:
            say(f"a voter's link is {address} and a line of {options.study / INVITATIONS}")
        if options.host not in _LOOPBACK:
            complain("warning: others can reach this; beyond a trusted network put it behind an HTTPS proxy")
        try:
            serving.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            say("stopped")


def _report(options: argparse.Namespace) -> None:
    from haarmony.evaluation.study.report import report
    from haarmony.evaluation.study.study import Study

    study = Study.load(options.study)
    if options.csv is not None:
        refuse_replacing(options.csv, study.files)
    found = report(study)
    if options.csv is not None:
        _write(found, options.csv)
    if not found.voters:
        say("no votes yet")
    else:
        _draw(found)
    kind = "invited voters" if study.invited else "browsers (the study is open: a person may be several)"
    say(f"{found.voters} {kind}, {len(study.items)} pairs; {found.changed} votes were changed later")


def _draw(found: "Report") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from haarmony.evaluation.study.questions import QUESTIONS

    caption = (
        "share of votes, Wilson interval of 95 %, votes; below it the interval when voters are drawn again"
    )
    table = Table("method", *QUESTIONS.values(), caption=caption)
    for method in next(iter(found.shares.values())):
        cells = []
        for question in QUESTIONS:
            share = found.shares[question][method]
            (low, high), (least, most) = share.interval, found.by_voters[question][method]
            text = f"{share.value:.1%} [{low:.1%}, {high:.1%}] {share.count}\n      [{least:.1%}, {most:.1%}]"
            cells.append(text if share.total else "-")
        table.add_row(Text(method), *cells)
    table.add_section()
    table.add_row("Krippendorff's alpha", *(f"{found.agreement[question]:.3f}" for question in QUESTIONS))
    Console(width=None if Console().is_terminal else 140).print(table)


def _write(found: "Report", path: Path) -> None:
    from haarmony.media.files import beside

    with beside(path) as temporary, temporary.open("x", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["question", "method", "votes", "of", *_FIGURES])
        for question, method, share in found.rows():
            by_voters = found.by_voters[question][method]
            figures = (share.value, *share.interval, *by_voters, found.agreement[question])
            rows.writerow(
                [question, method, share.count, share.total, *(f"{figure:.4f}" for figure in figures)]
            )
