from decimal import Decimal
from fractions import Fraction
from math import isnan

import numpy as np
import pytest
import torch

from haarmony.errors import InputError
from haarmony.pipelines.asked import must_be, number, strength_of
from haarmony.pipelines.ways import Ways

HALVES = (0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), Fraction(1, 2), Decimal("0.5"))
NO_NUMBERS = ("0.5", b"1", None, 1j, [0.5], np.array([0.5, 0.2]), torch.tensor([0.5, 0.2]), 10**400)


@pytest.mark.parametrize("value", HALVES)
def test_a_number_of_any_kind_is_taken(value: object) -> None:
    assert type(number(value)) is float
    assert strength_of(value) == 0.5


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_is_refused(value: object) -> None:
    assert isnan(number(value))
    with pytest.raises(InputError, match="strength is between 0 and 1, got"):
        strength_of(value)


@pytest.mark.parametrize("value", [None, {}, "network"])
def test_options_of_another_kind_are_refused(value: object) -> None:
    must_be(Ways, Ways(), "ways")
    with pytest.raises(InputError, match=r"ways is a haarmony\.Ways, got"):
        must_be(Ways, value, "ways")
