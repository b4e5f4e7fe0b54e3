"""A style: the Moments of a picture at every transfer site, a small file that can be kept and shared."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from haarmony.errors import InputError
from haarmony.moments import Moments

_FORMAT = "haarmony style 1"
_PARTS = ("count", "mean", "scatter")


@dataclass(frozen=True)
class Style:
    """What a transfer needs to know of the style picture.

    Attributes:
        model: the identity (name and weights checksum) of the model whose features these are.
        sites: transfer site to label to Moments.
        areas: label to its area in pixels; None when the style was given without a mask.
    """

    model: str
    sites: dict[str, dict[str, Moments]]
    areas: dict[str, float] | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        for site, labels in self.sites.items():
            for label, moments in labels.items():
                for name in _PARTS:
                    tensors[f"{site}/{label}/{name}"] = getattr(moments, name).cpu().contiguous()
        # One key: several would be written in an order that differs from process to process.
        metadata = {_FORMAT: json.dumps({"model": self.model, "areas": self.areas})}
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            temporary.write_bytes(save(tensors, metadata))
            temporary.replace(target)
        except OSError as error:
            raise InputError(
                f"cannot write the style to {target}: {error.strerror}; choose a writable place"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Style:
        """Read a file written by `save`.

        Raises:
            InputError: when the file is missing, damaged or not a style.
        """
        try:
            with safe_open(os.fspath(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if _FORMAT not in metadata:
                    raise InputError(
                        f"{path} is not a haarmony style; make one with WCT2.style(picture).save(path)"
                    )
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            about = json.loads(metadata[_FORMAT])
            return cls(str(about["model"]), _sites(tensors), about["areas"] and dict(about["areas"]))
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"cannot read a style from {path}: {error}; expected a .safetensors style file"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the style {path} is damaged: make it anew from its picture") from error


def _sites(tensors: dict[str, Tensor]) -> dict[str, dict[str, Moments]]:
    """Moments by site and label; KeyError or ValueError where the tensors are not those of a style."""
    sites: dict[str, dict[str, Moments]] = {}
    for name in sorted(tensors):
        site, rest = name.split("/", 1)
        label, part = rest.rsplit("/", 1)
        if part != "count":
            continue
        parts = count, mean, scatter = [tensors[f"{site}/{label}/{part}"] for part in _PARTS]
        shapes = (), (mean.numel(),), (mean.numel(), mean.numel())
        if any(
            x.shape != shape or x.dtype != torch.float64 or not x.isfinite().all()
            for x, shape in zip(parts, shapes, strict=True)
        ):
            raise ValueError(f"{site}/{label} holds no moments")
        sites.setdefault(site, {})[label] = Moments(count, mean, scatter)
    return sites
