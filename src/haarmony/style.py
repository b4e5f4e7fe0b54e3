"""A style: the Moments of a picture at every transfer site, a small file that can be kept and shared.

The file is safetensors: `SITE/LABEL/count`, `mean` and `scatter` in float64, and in its metadata the name
and weights checksum of the model, the version of haarmony, and the areas of the regions. The statistics are
those of the picture in sRGB, so that any two styles of a model can be added and mixed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from math import inf
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from haarmony import texture
from haarmony.errors import InputError
from haarmony.matching import Target
from haarmony.media.files import probe, replacing
from haarmony.moments import Moments

_FORMAT = "haarmony style 1"
_PARTS = ("count", "mean", "scatter")
_SITES = re.compile(rf"(encoder|decoder)[1-4]|skip[1-3]\.(LH|HL|HH)|{texture.SITE}")


@dataclass(frozen=True)
class Style:
    """What a transfer needs to know of the style picture.

    Attributes:
        model: the identity (name and weights checksum) of the model whose features these are.
        sites: transfer site to label to Moments, or to a `Mixture` of several where styles are mixed by maps.
        areas: label to its area in pixels; None when the style was given without a mask.
        version: of the haarmony that made it.
    """

    model: str
    sites: Mapping[str, Mapping[str, Target]]
    areas: dict[str, float] | None = None
    version: str = field(default_factory=lambda: version("haarmony"))

    def __post_init__(self) -> None:
        for site in self.sites:
            if not _SITES.fullmatch(site):
                raise InputError(
                    f"no model has a site {site!r}: a style has statistics of sites such as encoder1, "
                    f"skip2.LH, decoder3 or {texture.SITE}"
                )

    def __add__(self, other: Style) -> Style:
        """The style of both pictures together: the Moments of equal labels are merged, pixel by pixel alike.

        Raises:
            InputError: when the styles do not fit together.
        """
        self.check_fits(other)
        ours, theirs = self.moments(), other.moments()
        sites = {site: _merged(ours[site], theirs[site]) for site in ours}
        areas = None if self.areas is None or other.areas is None else _merged(self.areas, other.areas)
        return Style(self.model, sites, areas)

    def moments(self) -> dict[str, dict[str, Moments]]:
        """The Moments by site and label.

        Raises:
            InputError: for a mix by maps, which has none of its own.
        """
        plain: dict[str, dict[str, Moments]] = {}
        for site, labels in self.sites.items():
            plain[site] = {}
            for label, target in labels.items():
                if not isinstance(target, Moments):
                    raise InputError("a mix by maps can be neither saved nor added to: mix by barycentre")
                plain[site][label] = target
        return plain

    def check_fits(self, other: Style) -> None:
        """Find out whether two styles can be added or mixed.

        Raises:
            InputError: when model or stages differ, or one has a mask and the other has none.
        """
        if self.model != other.model:
            raise InputError(
                f"styles of {self.model} and of {other.model} do not go together: make them with one model"
            )
        if self.sites.keys() != other.sites.keys():
            raise InputError("styles of different stages do not go together: make them with the same stages")
        if (self.areas is None) != (other.areas is None):
            raise InputError("one style has a mask and another has none: give a mask to all or to none")

    def check_model(self, identity: str) -> None:
        """Find out whether a model can use this style.

        Raises:
            InputError: when another model made it, or one of other weights.
        """
        if self.model == identity:
            return
        made_by, ours = self.model.split(" ")[0], identity.split(" ")[0]
        raise InputError(
            f"the style was made by {self.model} (haarmony {self.version}) but this model is {identity}: "
            + ("" if made_by == ours else f"choose the model {made_by}, or ")
            + "make the style anew from its picture with this model"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, whole or not at all.

        Raises:
            InputError: when the file cannot be written, or this is a mix by maps.
        """
        tensors: dict[str, Tensor] = {}
        for site, labels in self.moments().items():
            for label, moments in labels.items():
                for name in _PARTS:
                    tensors[f"{site}/{label}/{name}"] = getattr(moments, name).cpu().contiguous()
        # One key: several would be written in an order that differs from process to process.
        about = {"model": self.model, "version": self.version, "areas": self.areas}
        with _explained_writing(path), replacing(path) as file:
            file.write(save(tensors, {_FORMAT: json.dumps(about)}))

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
                    raise InputError(f"{path} is not a haarmony style; make one with haarmony style save")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            about = json.loads(metadata[_FORMAT])
            sites, areas = _sites(tensors), about["areas"]
            if areas is not None:
                areas = {label: float(areas[label]) for label in areas}
                if not all(0 <= area < inf for area in areas.values()):
                    raise ValueError("an area is no number of pixels")
                if any(areas.keys() != labels.keys() for labels in sites.values()):
                    raise ValueError("areas and moments are of different labels")
            return cls(str(about["model"]), sites, areas, str(about["version"]))
        except SafetensorError as error:
            raise InputError(
                f"{path} is no .safetensors file ({error}): haarmony style save makes one of a picture"
            ) from error
        except OSError as error:
            raise InputError(
                f"cannot read a style from {path}: {error}; expected a .safetensors style file"
            ) from error
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise InputError(f"the style {path} is damaged: make it anew from its picture") from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before long work whether a style could be saved here.

    Raises:
        InputError: when it could not.
    """
    with _explained_writing(path):
        probe(path)


@contextmanager
def _explained_writing(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot write the style to {os.fspath(path)!r}: {reason}; choose a writable place"
        ) from error


def _merged(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Both, those of equal keys added."""
    return {key: a[key] + b[key] if key in a and key in b else a.get(key, b.get(key)) for key in {**a, **b}}


def _sites(tensors: dict[str, Tensor]) -> dict[str, dict[str, Moments]]:
    """Moments by site and label; KeyError or ValueError where the tensors are not those of a style.

    That they fit into float32, as all features do, keeps a damaged exponent out.
    """
    sites: dict[str, dict[str, Moments]] = {}
    for name in sorted(tensors):
        site, rest = name.split("/", 1)
        label, part = rest.rsplit("/", 1)
        if not _SITES.fullmatch(site):
            raise ValueError(f"no model has a site {site!r}")
        if part != "count":
            continue
        parts = count, mean, scatter = [tensors[f"{site}/{label}/{part}"] for part in _PARTS]
        shapes = (), (mean.numel(),), (mean.numel(), mean.numel())
        if (
            any(
                x.shape != shape or x.dtype != torch.float64 or not x.float().isfinite().all()
                for x, shape in zip(parts, shapes, strict=True)
            )
            or count < 0
            or (site == texture.SITE and mean.shape != (3,))
        ):
            raise ValueError(f"{site}/{label} holds no moments")
        sites.setdefault(site, {})[label] = Moments(count, mean, scatter)
    return sites
