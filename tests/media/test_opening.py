import warnings
from threading import Thread

import pytest

from haarmony.errors import HaarmonyWarning
from haarmony.media.opening import unwarned


def warn(kind):
    warnings.warn("of a " + kind.__name__, kind, stacklevel=1)


@pytest.mark.parametrize("kind", [UserWarning, DeprecationWarning, ResourceWarning])
def test_warnings_of_libraries_are_ignored(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with unwarned():
            warn(kind)
        with pytest.raises(kind):
            warn(kind)


def test_our_own_pass_from_any_thread():
    def warn_often():
        for _ in range(500):
            warn(HaarmonyWarning)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        thread = Thread(target=warn_often)
        thread.start()
        while thread.is_alive():
            with unwarned():
                warn(UserWarning)
        with unwarned():
            warn(HaarmonyWarning)
    assert [one.category for one in told] == 501 * [HaarmonyWarning]


def test_our_own_are_told_once_where_nobody_has_said_how():
    with warnings.catch_warnings(record=True) as told:
        warnings.resetwarnings()
        for _ in range(2):
            with unwarned():
                warn(HaarmonyWarning)
    assert len(told) == 1


def test_what_the_caller_does_with_our_own_holds():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore", HaarmonyWarning)
        with unwarned():
            warn(HaarmonyWarning)
        warnings.simplefilter("error", HaarmonyWarning)
        with unwarned(), pytest.raises(HaarmonyWarning):
            warn(HaarmonyWarning)
    assert told == []
