"""Where VGG-19's own weights come from: a folder of the user's, the cache, or the public Keras release.

The weights are the Oxford VGG group's (Simonyan and Zisserman 2015; CC BY 4.0), and are not shipped inside
this package.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from haarmony.errors import WeightsError

URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
MD5 = "253f8cb515780f3b799900260a226db6"
FILE = "vgg19_oxford.safetensors"
_BLOCK = 1 << 20

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/haarmony`, or `~/.cache/haarmony`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haarmony"


def find_oxford() -> Path | None:
    """The file of VGG-19's weights in `$HAARMONY_WEIGHTS` or, failing that, the cache; None if in neither."""
    folders = [Path(named)] if (named := os.environ.get("HAARMONY_WEIGHTS")) else []
    return next((path for folder in [*folders, cache_folder()] if (path := folder / FILE).is_file()), None)


def oxford_vgg19(*, download: bool = True, url: str = URL, md5: str = MD5) -> dict[str, Tensor]:
    """VGG-19's convolutions: `convB_N.weight` (out, in, 3, 3) and `convB_N.bias`, float32.

    They expect BGR in 0..255 less the ImageNet mean. `find_oxford` finds them, else they are downloaded to
    the cache.

    Args:
        download: whether the network may be used.
        url: of the Keras release, HDF5.
        md5: its checksum.

    Raises:
        WeightsError: when they are nowhere, cannot be had, or are damaged.
    """
    path = find_oxford()
    if path is None:
        if not download:
            raise WeightsError(f"VGG-19's weights are not here: {_REMEDY}")
        path = download_oxford(cache_folder() / FILE, url=url, md5=md5)
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot read VGG-19's weights from {path}: {error}; delete the file and try again"
        ) from None


_REMEDY = f"go online once, or put {FILE} in a folder and name the folder in HAARMONY_WEIGHTS"


def download_oxford(target: Path, *, url: str = URL, md5: str = MD5) -> Path:
    """Fetch the Keras release (80 MB), check it and write it as safetensors; whole or not at all.

    Raises:
        WeightsError: without h5py or a network, or when the checksum is another.
    """
    try:
        import h5py
    except ImportError:
        raise WeightsError(
            "converting VGG-19's weights needs h5py: install it with pip install 'haarmony[vgg19]'"
        ) from None
    release = target.with_name(f".{target.name}.{os.getpid()}.h5")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    _log.info("downloading VGG-19's weights from %s", url)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.md5(usedforsecurity=False)
        with urlopen(url, timeout=60) as answer, release.open("wb") as file:
            while block := answer.read(_BLOCK):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != md5:
            raise WeightsError(
                f"{url} has the md5 {digest.hexdigest()}, expected {md5}: try again, or {_REMEDY}"
            )
        with h5py.File(release) as file:
            tensors = _convolutions(file)
        part.write_bytes(save(tensors, {"source": url, "md5": md5, "licence": "CC BY 4.0, Oxford VGG group"}))
        part.replace(target)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise WeightsError(
            f"VGG-19's weights could not be downloaded from {url} ({reason}): {_REMEDY}"
        ) from None
    finally:
        release.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return target


def _convolutions(file: Any) -> dict[str, Tensor]:
    """Keras keeps a group a layer, kernels (3, 3, in, out) and biases: `block1_conv2` becomes `conv1_2`."""
    tensors: dict[str, Tensor] = {}
    for layer, group in file.items():
        block, _, number = layer.removeprefix("block").partition("_conv")
        if not (block.isdigit() and number.isdigit()):
            continue
        for dataset in group.values():
            values = torch.from_numpy(dataset[()])
            if values.ndim == 4:
                tensors[f"conv{block}_{number}.weight"] = values.permute(3, 2, 0, 1).contiguous()
            else:
                tensors[f"conv{block}_{number}.bias"] = values
    return tensors
