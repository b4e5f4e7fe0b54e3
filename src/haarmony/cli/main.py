"""`haarmony`: the parser, the dispatch, and the one line that every failure is told in."""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from haarmony.cli.console import complain, prepare_streams, say
from haarmony.cli.interrupts import interrupts_kept
from haarmony.errors import HaarmonyError, HaarmonyWarning, InputError, is_out_of_memory

MISTAKE = 2
DEFECT = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; those of the process if None.

    Returns:
        The exit code: 0, 1 for a defect of haarmony, 2 for what its user can mend, 130 when interrupted.

    Raises:
        SystemExit: with code 0, after `--help` and `--version`.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    prepare_streams()
    with interrupts_kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", HaarmonyWarning)
        warnings.showwarning = _show_warning
        try:
            from haarmony.cli import lut

            if "" in given:
                raise InputError(
                    "an argument is empty, perhaps of a variable that is not set: give it a value"
                )
            options = _parser().parse_args(lut.two_words(given))
            run: Callable[[argparse.Namespace], None] = options.run
            run(options)
        except (
            BrokenPipeError
        ):  # the reader of our output has gone; leave nothing for Python to flush into it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DEFECT
        except (Exception, KeyboardInterrupt) as error:
            if "--debug" in given:
                import traceback

                traceback.print_exc()
            code, line = _explain(error)
            complain(line)
            return code
    return 0


def _explain(error: BaseException) -> tuple[int, str]:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, str(error) or "interrupted"
    if isinstance(error, HaarmonyError):
        return MISTAKE, str(error)
    if is_out_of_memory(error):
        return MISTAKE, "out of memory: give a smaller picture, or the model compact, which needs the least"
    if isinstance(error, OSError):
        named = f"{os.fsdecode(error.filename)!r}: " if error.filename is not None else ""
        return MISTAKE, named + (error.strerror or str(error))
    return DEFECT, f"a defect, {type(error).__name__}: {error}; please report it with what --debug prints"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    complain(f"warning: {message}")


class _Parser(argparse.ArgumentParser):
    """Tells a wrong command line in one line, as every other mistake is told."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


class _Version(argparse.Action):
    """Looks the version up when it is asked for, and not at every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        import haarmony

        say(f"haarmony {haarmony.__version__}")
        parser.exit()


def _parser() -> _Parser:
    from haarmony.cli import (
        demo,
        evaluate,
        lut,
        methods,
        models,
        shape_bias,
        study,
        style,
        stylize_dataset,
        train,
        transfer,
        video,
    )

    parser = _Parser(
        prog="haarmony", description="Give a photo the light of another photo, and keep every edge of it."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    shared = argparse.ArgumentParser(add_help=False)
    for taker in (parser, shared):
        taker.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (
        transfer,
        video,
        style,
        lut,
        demo,
        models,
        methods,
        train,
        study,
        stylize_dataset,
        shape_bias,
        evaluate,
    ):
        command.add_to(commands, shared)
    return parser
