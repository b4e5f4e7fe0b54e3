"""`haarmony methods`: the systems of the literature that can be run, and their options."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from haarmony.cli.console import say

if TYPE_CHECKING:
    from haarmony.methods import Card

_COLUMNS: Final = ("name", "year", "paper", "needs", "options")


def add_to(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "methods",
        parents=[shared],
        help="list the methods and their options",
        description="List the methods for haarmony transfer --method: a table on a terminal, lines of "
        "tab-separated fields in a pipe. With NAME, the options of one.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a method whose options are told one by one")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from haarmony.methods import cards, method_class

    if options.name is not None and options.name != "wct2":
        method_class(options.name)
    found = [card for card in cards() if options.name in (None, card.name)]
    if options.name is not None:
        _tell(found[0])
    elif sys.stdout.isatty():
        _draw(found)
    else:
        say("\t".join(_COLUMNS))
        for card in found:
            settings = " ".join(f"{one.name}={one.default}" for one in card.settings) or card.note
            say("\t".join((card.name, str(card.year), card.paper, card.needs, settings)))


def _tell(card: "Card") -> None:
    say(f"{card.name}: {card.paper} {card.year}; needs {card.needs}")
    for one in card.settings:
        say(f"  {one.name}={one.default}: {one.text}; {one.values}")
    if card.note:
        say(f"  {card.note}")


def _draw(cards: "list[Card]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("method", "paper, what it needs, options", show_lines=True)
    for card in cards:
        lines = [Text(f"{card.paper} {card.year}"), Text(f"needs {card.needs}", style="dim")]
        lines += [Text(f"{one.name}={one.default}: {one.text}") for one in card.settings]
        lines += [Text(card.note)] if card.note else []
        table.add_row(Text(card.name, style="bold"), Text("\n", overflow="fold").join(lines))
    Console().print(table)
