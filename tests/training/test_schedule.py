import pytest

from haarmony.training.schedule import learning_rate


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, 1000, 0.1) for step in range(1000)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) in (99, 100)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.002, rel=0.01)


def test_a_short_run_comes_down_as_well() -> None:
    rates = [learning_rate(step, 60, 0.1) for step in range(60)]
    assert rates.index(max(rates)) in (11, 12)
    assert rates[-1] < 0.003
