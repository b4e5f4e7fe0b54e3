import pytest
from PIL import Image

from haarmony.errors import InputError
from haarmony.evaluation.pairs import find_output, read_pairs


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_a_folder_for_each_pair(tmp_path):
    for name in ("p10", "p2"):
        picture(tmp_path / name / "content.png")
        picture(tmp_path / name / "style.jpg")
    picture(tmp_path / "p2" / "content_mask.png")
    picture(tmp_path / "p2" / "style_mask.png")
    (tmp_path / "other").mkdir()
    first, second = read_pairs(tmp_path)
    assert (first.name, second.name) == ("p2", "p10")
    assert first.style.name == "style.jpg"
    assert first.content_mask == tmp_path / "p2" / "content_mask.png"
    assert second.content_mask is second.style_mask is None


def test_the_layout_of_deep_photo(tmp_path):
    for number in (2, 14):
        picture(tmp_path / "input" / f"in{number}.png")
        picture(tmp_path / "style" / f"tar{number}.png")
    picture(tmp_path / "segmentation" / "in2.png")
    picture(tmp_path / "segmentation" / "tar2.png")
    first, second = read_pairs(tmp_path)
    assert (first.name, second.name) == ("2", "14")
    assert first.style_mask == tmp_path / "segmentation" / "tar2.png"
    assert second.content_mask is None


@pytest.mark.parametrize("name", ["2.png", "best2_t_1000.png", "out2.jpg", "in02_smooth.png"])
def test_a_result_is_found_by_name_or_number(tmp_path, name):
    picture(tmp_path / "input" / "in2.png")
    picture(tmp_path / "style" / "tar2.png")
    picture(tmp_path / "out" / "best12_t_1000.png")
    wanted = picture(tmp_path / "out" / name)
    assert find_output(tmp_path / "out", read_pairs(tmp_path)[0]) == wanted


def test_two_contents_of_one_number_are_no_two_pairs(tmp_path):
    for kind in ("png", "jpg"):
        picture(tmp_path / "input" / f"in2.{kind}")
    picture(tmp_path / "style" / "tar2.png")
    with pytest.raises(InputError, match="more than one content for pair 2"):
        read_pairs(tmp_path)


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        read_pairs(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pairs"):
        read_pairs(tmp_path)
    picture(tmp_path / "a" / "content.png")
    with pytest.raises(InputError, match="expected both"):
        read_pairs(tmp_path)
    picture(tmp_path / "a" / "style.png")
    (pair,) = read_pairs(tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="nothing for pair a"):
        find_output(tmp_path / "out", pair)
    picture(tmp_path / "out" / "a.png")
    picture(tmp_path / "out" / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg, a\.png"):
        find_output(tmp_path / "out", pair)
    picture(tmp_path / "a" / "style_mask.png")
    with pytest.raises(InputError, match="one mask"):
        read_pairs(tmp_path)


def test_digits_that_are_no_numbers_may_be_in_names(tmp_path):
    for name in ("²", "1²"):
        picture(tmp_path / "pairs" / name / "content.png")
        picture(tmp_path / "pairs" / name / "style.png")
    pairs = {pair.name: pair for pair in read_pairs(tmp_path / "pairs")}
    assert pairs.keys() == {"²", "1²"}
    picture(tmp_path / "out" / "a.png")
    with pytest.raises(InputError, match="nothing for pair ²"):
        find_output(tmp_path / "out", pairs["²"])
