"""Kinds of arguments that several commands share."""

import argparse
from typing import Any


class Instead(argparse.Action):
    """Collects values, and takes a positional off the list of what is required.

    As `nargs="?"` would, but Python before 3.13 then takes CONTENT -o OUT STYLE for a STYLE too many.
    """

    def __init__(self, *args: Any, of: argparse.Action, **options: Any) -> None:
        super().__init__(*args, **options)
        self._positional = of

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        """Collect one value."""
        self._positional.required = False
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), values])
