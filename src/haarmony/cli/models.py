"""`haarmony models`: what can be loaded, how big it is, whose it is, and where it lies."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from haarmony.cli.console import say

if TYPE_CHECKING:
    from haarmony.networks.weights import ModelCard

_COLUMNS: Final = ("name", "parameters", "bytes", "licence", "files", "missing", "sha256")


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "models",
        parents=[shared],
        help="list the models",
        description="List the models: a table on a terminal, lines of tab-separated fields in a pipe.",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from haarmony.networks.weights import models

    if sys.stdout.isatty():
        _draw(models())
        return
    say("\t".join(_COLUMNS))
    for card in models():
        paths, missing = ", ".join(map(str, card.paths)), ", ".join(card.missing)
        fields = (card.name, card.parameters, card.size, card.licence, paths, missing, card.sha256)
        say("\t".join(map(str, fields)))


def _draw(cards: "list[ModelCard]") -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    table = Table("model", "what it is, and where it lies", show_lines=True)
    for card in cards:
        lines = [Text(f"{card.parameters:,} parameters, {decimal(card.size)} on this disk")]
        lines += [Text(card.licence)]
        lines += [Text(str(path)) for path in card.paths]
        lines += [Text(f"sha256 {card.sha256}")] if card.sha256 else []
        lines += [Text(f"not here: {name}", style="yellow") for name in card.missing]
        table.add_row(Text(card.name, style="bold"), Text("\n", overflow="fold").join(lines))
    Console().print(table)
