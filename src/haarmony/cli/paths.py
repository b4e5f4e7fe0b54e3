"""Where a command may write."""

from collections.abc import Iterable
from pathlib import Path

from haarmony.errors import InputError


def refuse_replacing(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Let an output replace a file, but never one of the inputs.

    Raises:
        InputError: the output is one of the inputs, by whatever name.
    """
    target = Path(output)
    for path in inputs:
        if target.exists() and Path(path).exists() and target.samefile(path):
            raise InputError(
                f"{str(output)!r} is also an input and would be lost: give the output another name"
            )
