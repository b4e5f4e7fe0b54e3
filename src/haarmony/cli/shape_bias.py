"""`haarmony shape-bias`: whether a classifier goes by shape or by texture."""

import argparse
import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haarmony.cli.console import counted, say
from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing

if TYPE_CHECKING:
    from haarmony.evaluation.shape_bias import Conflict, Decisions


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "shape-bias",
        parents=[shared],
        help="measure whether a classifier goes by shape or by texture",
        description="Of the decisions on cue-conflict pictures for the class of the shape or of the texture, "
        "the share for the shape (Geirhos 2019), with Wilson's interval of 95 %.",
    )
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="as stylize-dataset --cue-conflict made it"
    )
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--predictions", metavar="FILE", type=Path, help="a CSV of path and predicted class")
    how.add_argument(
        "--classifier",
        metavar="MODULE:FUNCTION",
        help="called with each picture, a tensor (1, 3, H, W) in [0, 1]; returns the name of a class",
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write the table; replaced if there")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from haarmony.evaluation.plugged_in import plugged_in
    from haarmony.evaluation.shape_bias import conflicts, shape_bias, total

    if options.csv is not None and options.predictions is not None:
        refuse_replacing(options.csv, [options.predictions])
    found = conflicts(options.folder)
    if options.predictions is not None:
        predictions = _read(options.predictions, options.folder)
    else:
        classify = plugged_in(options.classifier, "--classifier")
        predictions = _asked(classify, options.folder, found, quiet=options.quiet)
    decisions = shape_bias(found, predictions)
    rows = [*decisions.items(), ("all", total(decisions.values()))]
    if options.csv is not None:
        _write(rows, options.csv)
    _show(rows)
    if options.csv is not None:
        say(str(options.csv))


def _read(path: Path, folder: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = [row for row in csv.reader(file) if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{str(path)!r} is no CSV ({error})") from error
    if not rows or any(len(row) < 2 for row in rows):
        raise InputError(f"{str(path)!r} is expected to have two columns: path and predicted class")
    return {_inside(Path(row[0]), folder): row[1].strip() for row in rows}


def _inside(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _asked(
    classify: Callable[[Any], object], folder: Path, found: "Sequence[Conflict]", *, quiet: bool
) -> dict[str, str]:
    import torch

    from haarmony.media.image import to_profile
    from haarmony.media.kinds import to_picture, to_tensor

    predictions = {}
    for one in counted(found, len(found), quiet=quiet):
        picture = to_tensor(to_profile(to_picture(folder / one.path), None))[0]
        with torch.no_grad():
            said = classify(picture)
        if not isinstance(said, str):
            raise InputError(f"the classifier returns the name of a class, got {type(said).__name__}")
        predictions[one.path] = said
    return predictions


def _show(decisions: "list[tuple[str, Decisions]]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("class of the shape", "shape", "texture", "other", "shape bias")
    for name, one in decisions:
        low, high = one.bias.interval
        bias = f"{one.bias.value:.1%} [{low:.1%}, {high:.1%}]" if one.bias.total else "-"
        table.add_row(Text(name), str(one.shape), str(one.texture), str(one.other), bias)
    Console(width=None if Console().is_terminal else 120).print(table)


def _write(decisions: "list[tuple[str, Decisions]]", path: Path) -> None:
    from haarmony.media.files import beside

    with beside(path) as temporary, temporary.open("x", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["class", "shape", "texture", "other", "bias", "low", "high"])
        for name, one in decisions:
            figures = (one.bias.value, *one.bias.interval)
            rows.writerow([name, one.shape, one.texture, one.other, *(f"{value:.4f}" for value in figures)])
