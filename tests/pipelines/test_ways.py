from typing import Any

import numpy as np
import pytest
import torch

from haarmony.errors import InputError, WeightsError
from haarmony.pipelines.ways import Ways


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        ({"detail": ["carry"]}, r"unknown way \['carry'\]: choose carry or network"),
        ({"statistics": np.array(["exact", "proxy"])}, "unknown way"),
        ({"max_memory": 0}, "a number of bytes above 0, got 0"),
        ({"max_memory": -1}, "got -1"),
        ({"max_memory": "1G"}, "got '1G'"),
        ({"max_memory": float("nan")}, "got nan"),
        ({"shares": [("fine", 0.5)]}, "shares are a dictionary"),
        ({"shares": {"fine": "half"}}, "the strength of fine is between 0 and 1, got 'half'"),
        ({"shares": {"fine": None}}, "got None"),
    ],
)
def test_ways_that_there_are_not_are_refused(options: dict[str, Any], saying: str) -> None:
    with pytest.raises(InputError, match=saying):
        Ways(**options)


@pytest.mark.parametrize("model", [None, 3, b"compact", torch.nn.Identity()])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(InputError, match="a model is given by its name") as caught:
        Ways().model(model, None)
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="unknown model"):
        Ways().model("vgg20", None)


@pytest.mark.parametrize("stages", ["encoder", "", 3])
def test_stages_are_a_list(stages: Any) -> None:
    with pytest.raises(InputError, match="stages are given as a list"):
        Ways().model("compact", stages)
