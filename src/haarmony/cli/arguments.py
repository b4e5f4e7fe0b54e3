"""Kinds of arguments that several commands share."""

import argparse
from collections.abc import Sequence
from typing import Any


class Excusing(argparse.Action):
    """Takes a value, and positionals off the list of what is required.

    As `nargs="?"` and `nargs="*"` would, but Python before 3.13 then takes CONTENT -o OUT STYLE for a STYLE
    too many.
    """

    def __init__(self, *args: Any, of: Sequence[argparse.Action], **options: Any) -> None:
        super().__init__(*args, **options)
        self._positionals = of

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        """Take one value."""
        for positional in self._positionals:
            positional.required = False
        setattr(namespace, self.dest, values)


class Instead(Excusing):
    """Collects values, in place of a positional."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        """Collect one value."""
        super().__call__(parser, namespace, [*getattr(namespace, self.dest), values])


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where to compute."""
    parser.add_argument(
        "--device", default="cpu", metavar="NAME", help="where to compute: cpu (the default), cuda, cuda:1"
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how exact large convolutions are."""
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        help="of the convolutions of vgg19: bfloat16 is up to twice as fast on processors with AMX, and "
        "refused elsewhere (default: float32)",
    )
