from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from haarmony.errors import InputError
from haarmony.pipelines.control import (
    PLAIN,
    Control,
    Smooth,
    controlled,
    grain_gain,
    with_luminosity,
    without_grain,
)
from haarmony.pipelines.rows import Rows, TensorRows

LUMINOSITY = torch.tensor([0.3, 0.59, 0.11]).view(1, 3, 1, 1)


def picture(seed: int = 0, height: int = 40, width: int = 30) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.interpolate(torch.rand(1, 3, 5, 5, generator=generator), (height, width), mode="bilinear")


def luminosity(x: Tensor) -> Tensor:
    return (x * LUMINOSITY).sum(1)


def warm(rows: Rows) -> Iterator[Tensor]:
    """A transfer in bands of 7 rows."""
    tint = torch.tensor([1.3, 0.9, 0.5]).view(1, 3, 1, 1)
    for top in range(0, rows.height, 7):
        yield rows.rows(top, min(top + 7, rows.height)) * tint


def result(content: Tensor, control: Control) -> Tensor:
    return torch.cat(list(controlled(TensorRows(content), control, warm)), -2)


def test_nothing_asked_nothing_changed() -> None:
    content = picture()
    torch.testing.assert_close(result(content, Control()), torch.cat(list(warm(TensorRows(content))), -2))


def test_preserved_luminance_is_the_content_s_and_the_colours_are_not() -> None:
    content = picture()
    kept = result(content, Control(preserve="luminance"))
    torch.testing.assert_close(luminosity(kept), luminosity(content), rtol=0, atol=1e-5)
    assert kept.min() >= -1e-6
    assert kept.max() <= 1 + 1e-6
    assert (kept - content).abs().mean() > 0.02


def test_preserved_colour_has_the_result_s_luminance() -> None:
    content = picture()
    plain = torch.cat(list(warm(TensorRows(content))), -2).clamp(0, 1)
    kept = result(content, Control(preserve="color"))
    torch.testing.assert_close(luminosity(kept), luminosity(plain), rtol=0, atol=1e-5)
    hues = [(one - one.mean(1, keepdim=True)).flatten() for one in (kept, content, plain)]
    likeness = [F.cosine_similarity(hues[0], other, dim=0) for other in hues[1:]]
    assert likeness[0] > 0.98
    assert likeness[0] > likeness[1]


def test_black_and_white_have_no_colour_to_give() -> None:
    extremes = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    kept = with_luminosity(picture(1, 1, 2), extremes)
    torch.testing.assert_close(kept, extremes, rtol=0, atol=1e-5)


def test_what_is_protected_stays() -> None:
    content = picture()
    ramp = torch.linspace(0, 1, 30).expand(40, 30).contiguous()
    plain, kept = result(content, Control()).clamp(0, 1), result(content, Control(protect=ramp))
    torch.testing.assert_close(kept, torch.lerp(plain, content, ramp))
    half = np.zeros((40, 30), bool)
    half[9:] = True
    kept = result(content, Control(protect=half))
    assert torch.equal(kept[..., 9:, :], content[..., 9:, :])
    assert torch.equal(kept[..., :9, :], plain[..., :9, :])


def test_a_mask_that_protects_nothing_or_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="no white region"):
        result(picture(), Control(protect=np.full((40, 30), 7)))
    with pytest.raises(InputError, match="30 x 41"):
        result(picture(), Control(protect=np.ones((41, 30), bool)))


@pytest.mark.parametrize(
    "wrong", [{"preserve": "hue"}, {"preserve": np.array(["none"] * 2)}, {"grain": "lose"}, {"grain": True}]
)
def test_unknown_controls_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="got"):
        Control(**wrong)


def test_grain_stays_as_strong_as_it_was() -> None:
    generator = torch.Generator().manual_seed(0)
    grain = 0.01 * torch.randn(1, 3, 96, 96, generator=generator)
    content = torch.full((1, 3, 96, 96), 0.4) + grain
    content[..., 48:] += 0.3

    def contrasty(rows: Rows) -> Iterator[Tensor]:
        yield 3 * (rows.rows(0, rows.height) - 0.25)

    plain, kept = (
        torch.cat(list(controlled(TensorRows(content), Control(grain=asked), contrasty)), -2)
        for asked in (None, "keep")
    )
    flat = (..., slice(8, -8), slice(8, 40))
    before = float(content[flat].std())
    assert float(plain[flat].std()) == pytest.approx(3 * before, rel=1e-3)
    assert float(kept[flat].std()) == pytest.approx(before, rel=0.25)
    step = float(kept[..., 48:52].mean() - kept[..., 44:48].mean())
    assert step == pytest.approx(0.9, abs=0.02)  # the edge is no grain


def test_grain_is_less_where_a_channel_gets_darker() -> None:
    grain = 0.02 * torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    content = 0.5 + grain
    share = torch.tensor([1.4, 0.5, 0.0]).view(3, 1, 1)

    def tinted(rows: Rows) -> Iterator[Tensor]:
        yield share * rows.rows(0, rows.height)

    kept = torch.cat(list(controlled(TensorRows(content), Control(grain="keep"), tinted)), -2)
    before, after = (x[..., 8:-8, 8:-8].std((-2, -1))[0] for x in (content, kept))
    red, green, blue = (after / before).tolist()
    assert 0.95 < red < 1.1
    assert green == pytest.approx(0.52, abs=0.03)
    assert blue < 0.06


@given(before=st.floats(0, 1), after=st.floats(-0.5, 1.5))
def test_grain_is_never_made_stronger(before: float, after: float) -> None:
    gain = float(grain_gain(torch.full((1, 3, 1, 1), before), torch.full((1, 3, 1, 1), after))[0, 0, 0, 0])
    assert 0 < gain <= 1
    assert gain == 1 or after < before


def test_smooth_rows_do_not_depend_on_the_bands() -> None:
    content = picture() + 0.02 * torch.randn(1, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    smooth = Smooth(TensorRows(content))
    whole = smooth.rows(0, 40)
    torch.testing.assert_close(whole, without_grain(content))
    bands = torch.cat([smooth.rows(top, min(top + 3, 40)) for top in range(0, 40, 3)], -2)
    torch.testing.assert_close(bands, whole, rtol=0, atol=1e-6)


def test_a_control_is_plain_where_nothing_is_asked_for() -> None:
    assert PLAIN.is_plain
    assert Control().is_plain
    for asked in (
        {"preserve": "color"},
        {"grain": "keep"},
        {"protect": np.zeros((4, 4), bool)},
        {"protect": "m.png"},
    ):
        assert not Control(**asked).is_plain


def test_controls_with_arrays_can_be_compared() -> None:
    control = Control(protect=np.zeros((4, 4), bool))
    assert control != PLAIN
    assert control in (PLAIN, control)
    assert len({control, PLAIN}) == 2
