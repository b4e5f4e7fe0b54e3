import pytest

from studies import make_study


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path)
