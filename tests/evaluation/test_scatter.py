import re
import xml.etree.ElementTree as ET

import pytest

from haarmony.evaluation.report.scatter import _ticks, scatter
from haarmony.evaluation.report.summary import spread


def found(count: int) -> dict[str, dict]:
    return {
        f"method_{number}_with_a_name_that_is_rather_long": {
            "gram": spread([number / 10, number / 10 + 0.2]),
            "edge_ssim": spread([1 - number / 20]),
        }
        for number in range(count)
    }


def test_every_method_has_a_mark_of_its_own_and_its_whole_name() -> None:
    figure = scatter(found(20), across="gram", upward="edge_ssim")
    marks = re.findall(r'<path d="([^"]+)" transform="translate\([^)]*\)" fill="([^"]+)"', figure)
    assert len(marks) == 40
    assert len(set(marks)) == 20
    texts = [node.text or "" for node in ET.fromstring(figure).iter("{http://www.w3.org/2000/svg}text")]
    assert "method_7_with_a_name_that_is_rather_long" in "".join(texts)


def test_methods_without_the_figure_are_left_out() -> None:
    figure = scatter(found(1) | {"other": {"gram": spread([1.0])}}, across="gram", upward="edge_ssim")
    assert "other" not in figure


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.23, 1.56), (-3.0, 4.0), (1e-4, 2e-4), (12, 4000)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    ticks = list(_ticks(low, high))
    assert 4 <= len(ticks) <= 11
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in ticks)
    assert all(len(f"{tick:g}") <= 7 for tick in ticks)
