"""The errors that haarmony raises for a mistake that its user can mend."""


class HaarmonyError(Exception):
    """Base of all errors: one line that says what was given, what was expected and what to do."""


class InputError(HaarmonyError):
    """An argument or a tensor that the called function cannot work with."""


class ImageError(HaarmonyError):
    """A picture or mask file that cannot be read or written."""


class FilmError(HaarmonyError):
    """A film that cannot be read or written."""


class WeightsError(HaarmonyError):
    """Weights that are missing, damaged or of another network."""


class Interrupted(KeyboardInterrupt):
    """Long work was interrupted from the keyboard and ended well: what there is, and how to go on."""


class HaarmonyWarning(UserWarning):
    """Something that was done in part only, or left out, and that the user may want to know."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch has no kind of error for a processor's."""
    text = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )
