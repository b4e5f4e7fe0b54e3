import subprocess
import sys
from pathlib import Path

import pytest

import haarmony

PUBLIC = {
    "WCT2",
    "Ways",
    "Affine",
    "Control",
    "FilmError",
    "HaarmonyError",
    "HaarmonyWarning",
    "ImageError",
    "InputError",
    "Lut",
    "Mask",
    "Moments",
    "Picture",
    "Recipe",
    "Style",
    "WeightsError",
    "__version__",
    "fit_lut",
    "lut",
    "matching",
    "methods",
    "mix",
    "models",
    "read_image",
    "read_lut",
    "read_mask",
    "transfer",
    "transfer_file",
    "transfer_files",
    "transfer_film",
    "wavelets",
    "write_image",
    "write_lut",
}


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_public_names_are_these_and_no_others():
    assert set(haarmony.__all__) == PUBLIC
    assert len(haarmony.__all__) == len(PUBLIC)
    assert dir(haarmony) == sorted(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name):
    value = getattr(haarmony, name)
    assert name == "__version__" or value.__doc__


def test_the_type_checker_sees_every_public_name():
    source = Path(haarmony.__file__).read_text()
    imports = source[source.index("if TYPE_CHECKING:") : source.index("_HOME")]
    assert [name for name in PUBLIC if name not in imports] == []


def test_every_error_is_a_haarmony_error():
    for name in ("FilmError", "ImageError", "InputError", "WeightsError"):
        assert issubclass(getattr(haarmony, name), haarmony.HaarmonyError)
    assert issubclass(haarmony.HaarmonyWarning, UserWarning)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="harmony"):
        haarmony.harmony  # noqa: B018


def test_star_import_gives_the_public_names():
    assert python("from haarmony import *; print(frame_error if 0 else wavelets.frame_error.__name__)") == (
        "frame_error\n"
    )


def test_importing_haarmony_loads_neither_torch_nor_numpy():
    heavy = "import sys, haarmony; print([m for m in ('torch', 'numpy', 'PIL', 'rich') if m in sys.modules])"
    assert python(heavy) == "[]\n"


def test_photos_need_nothing_that_extras_bring() -> None:
    code = """
import sys
sys.modules.update(dict.fromkeys(("cv2", "av", "h5py", "matplotlib", "pi_heif")))
import numpy as np
import haarmony
from haarmony.pipelines.control import Control
picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
haarmony.transfer(picture, picture[::-1], auto_masks=2, control=Control(grain="keep"))
haarmony.transfer(picture, picture[::-1], model="compact")
haarmony.lut(picture, picture[::-1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
