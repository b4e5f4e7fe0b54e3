import pytest

from haarmony.errors import InputError
from haarmony.evaluation.shape_bias import Decisions, conflicts, shape_bias, total


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/cat1-elephant2", "cat/cat2-n02", "cat/cat3-cat1", "n02/n02_1-cat4", "n02/n02_2-n03_1",
                 "traffic-light/traffic-light1-cat1", "cat/cat10-traffic-light3"):  # fmt: skip
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_file_names_say_both_classes(folder):
    assert [(one.shape, one.texture) for one in conflicts(folder)] == [
        ("cat", "elephant"),
        ("cat", "traffic-light"),
        ("cat", "n"),  # as published, digits are the picture's number
        ("n02", "cat"),
        ("n02", "n03"),
        ("traffic-light", "cat"),
    ]


def test_the_bias_of_an_example_by_hand(folder):
    found = conflicts(folder)
    said = dict(
        zip((one.path for one in found), ("cat", "traffic-light", "dog", "n02", "n03", "x"), strict=True)
    )
    decided = shape_bias(found, said)
    assert decided == {
        "cat": Decisions(1, 1, 1),
        "n02": Decisions(1, 1, 0),
        "traffic-light": Decisions(0, 0, 1),
    }
    assert total(decided.values()) == Decisions(2, 2, 2)
    assert decided["cat"].bias.value == 0.5
    # Wilson, 1 of 2: (0.5 + z^2 / 4) / (1 + z^2 / 2) -+ z sqrt(1 / 8 + z^2 / 16) / (1 + z^2 / 2)
    assert decided["cat"].bias.interval == pytest.approx((0.0945, 0.9055), abs=5e-5)
    assert decided["traffic-light"].bias.interval == (0, 1)


def test_what_is_missing_is_said(folder, tmp_path):
    with pytest.raises(InputError, match="no prediction"):
        shape_bias(conflicts(folder), {})
    (folder / "cat" / "tom.png").touch()
    with pytest.raises(InputError, match=r"tom\.png"):
        conflicts(folder)
    with pytest.raises(InputError, match="no folder"):
        conflicts(folder / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no cue-conflict"):
        conflicts(tmp_path / "empty")
