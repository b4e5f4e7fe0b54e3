"""A stylized copy of an image-classification folder, and pictures whose shape and texture are of two classes.

Geirhos et al.: ImageNet-trained CNNs are biased towards texture; increasing shape bias improves accuracy and
robustness, ICLR 2019.

What a picture's style is depends on the seed and on the picture's path alone: not on the order of work, on
workers or shards, or on which pictures are done already.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from haarmony.errors import InputError
from haarmony.media.opening import is_picture
from haarmony.media.sink import writable


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        source: the content, relative to its folder.
        style: relative to the folder of styles.
        output: relative to the folder of results.
    """

    source: PurePosixPath
    style: PurePosixPath
    output: PurePosixPath

    @property
    def shape(self) -> str:
        """The class of the content: the folder it lies in; nothing at the top."""
        return _class(self.source)

    @property
    def texture(self) -> str:
        """The class of the style, or nothing."""
        return _class(self.style)


def pictures(folder: Path) -> list[PurePosixPath]:
    """The picture files under a folder, relative to it and sorted; hidden ones are left out.

    Raises:
        InputError: when there is no folder, or none in it.
    """
    if not folder.is_dir():
        raise InputError(
            f"{str(folder)!r} is no folder: expected one with pictures, or with a folder a class"
        )
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = PurePosixPath(Path(place).relative_to(folder).as_posix())
        found += [inside / name for name in names if is_picture(Path(place, name))]
    if not found:
        raise InputError(f"{str(folder)!r} holds no pictures: check the path")
    return sorted(found)


def stylized(sources: Sequence[PurePosixPath], styles: Sequence[PurePosixPath], *, seed: int) -> list[Job]:
    """One job a picture: a style for each, under the picture's own path.

    Raises:
        InputError: when two pictures would go to one file.
    """
    jobs = []
    for source in sources:
        output = source if writable(source) else source.with_suffix(".jpg")
        jobs.append(Job(source, styles[_draw(seed, source, len(styles))], output))
    return _apart(jobs)


def cue_conflicts(
    sources: Sequence[PurePosixPath], textures: Sequence[PurePosixPath], *, seed: int, each: int = 1
) -> list[Job]:
    """The shape of one class with the texture of another (section 2.2 there).

    Files are named as there: `cat/cat7-elephant3.png` is the seventh cat with the texture of the third
    elephant. Where the name of a class ends in a digit, an underscore parts it from the number.

    Args:
        sources: pictures in a folder a class.
        textures: the same, of textures.
        seed: of which class and which texture of it each picture gets.
        each: how many pictures to make of each source, of as many classes of texture.

    Raises:
        InputError: for a picture that lies in no class, or too few other classes.
    """
    shapes, by_class = _by_class(sources), _by_class(textures)
    jobs = []
    for shape, members in shapes.items():
        others = [name for name in by_class if name != shape]
        if not 1 <= each <= len(others):
            raise InputError(
                f"{each} textures of classes other than {shape!r} are asked for, the styles have "
                f"{len(others)}: add some, or ask for fewer"
            )
        for number, source in enumerate(members, start=1):
            for texture in _ranked(others, seed, source)[:each]:
                there = by_class[texture]
                drawn = _draw(seed, source / texture, len(there))
                name = f"{_numbered(shape, number)}-{_numbered(texture, drawn + 1)}.png"
                jobs.append(Job(source, there[drawn], PurePosixPath(shape, name)))
    return _apart(jobs)


def shard(jobs: Sequence[Job], number: int, of: int) -> list[Job]:
    """The jobs of one of several shards, numbered from 1; those of one style one after the other.

    Raises:
        InputError: for a shard that there is not.
    """
    if not 1 <= number <= of:
        raise InputError(f"shards go from 1/{max(of, 1)} to {max(of, 1)}/{max(of, 1)}, got {number}/{of}")
    return sorted(jobs[number - 1 :: of], key=lambda job: (job.style, job.output))


def _apart(jobs: list[Job]) -> list[Job]:
    taken: dict[str, Job] = {}
    for job in jobs:
        other = taken.setdefault(str(job.output).lower(), job)
        if other is not job:
            raise InputError(
                f"{str(other.source)!r} and {str(job.source)!r} would both become {str(job.output)!r}: "
                "rename one"
            )
    return jobs


def _by_class(paths: Sequence[PurePosixPath]) -> dict[str, list[PurePosixPath]]:
    found: dict[str, list[PurePosixPath]] = {}
    for path in paths:
        if not _class(path):
            raise InputError(f"{str(path)!r} lies in no class: cue conflicts need a folder a class")
        found.setdefault(_class(path), []).append(path)
    return found


def _class(path: PurePosixPath) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if name[-1].isdigit() else f"{name}{number}"


def _ranked(names: Sequence[str], seed: int, path: PurePosixPath) -> list[str]:
    return sorted(names, key=lambda name: _digest(seed, path, name))


def _draw(seed: int, path: PurePosixPath, count: int) -> int:
    return int.from_bytes(_digest(seed, path), "big") % count


def _digest(seed: int, path: PurePosixPath, name: str = "") -> bytes:
    return hashlib.sha256("\0".join((str(seed), str(path), name)).encode("utf-8", "surrogateescape")).digest()
