"""Making a study: downsized pictures under names that say nothing, and a database without votes."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from haarmony.errors import InputError
from haarmony.evaluation.pairs import Pair, check_shape, find_output, read_pairs
from haarmony.evaluation.study import study as files
from haarmony.evaluation.study.study import Item, Study
from haarmony.evaluation.study.voters import Signer
from haarmony.evaluation.study.votes import create
from haarmony.media.image import read_image, to_pil, to_profile

SIDE: Final = 1600
LEAST_SIDE: Final = 64
MOST_OUTPUTS: Final = 9
"""As many as there are keys from 1 to 9."""

_GREY: Final = (128, 128, 128)
_QUALITY: Final = 95


def build(
    pairs: Path,
    outputs: Mapping[str, Path],
    folder: Path,
    *,
    voters: int = 0,
    side: int = SIDE,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Make the folder of a study; it is whole or absent.

    Args:
        pairs: the folder of pairs.
        outputs: by the name of each method, the folder of its results.
        folder: to be made.
        voters: how many are invited, by one link each; 0 for a study that is open to all.
        side: the longest side of pictures, in pixels; none is enlarged.
        tell: called after each pair with pairs done and pairs in all.

    Raises:
        ImageError: for a picture that cannot be read.
        InputError: for pairs or results that are missing or do not fit together, or a folder that is there.
    """
    _check(outputs, folder, voters, side)
    chosen = [
        (pair, {name: find_output(place, pair) for name, place in outputs.items()})
        for pair in read_pairs(pairs)
    ]
    folder.parent.mkdir(parents=True, exist_ok=True)
    being_made = folder.with_name(f".haarmony-{secrets.token_hex(8)}.tmp")
    try:
        (being_made / files.PICTURES).mkdir(parents=True)
        items = []
        for pair, results in chosen:
            items.append(_item(pair, results, being_made / files.PICTURES, side))
            tell(len(items), len(chosen))
        signer = Signer(secrets.token_bytes(files.SECRET_BYTES))
        study = Study(being_made, tuple(outputs), tuple(items), voters > 0, signer)
        _write(study, voters)
        being_made.replace(folder)
    except BaseException:
        shutil.rmtree(being_made, ignore_errors=True)
        raise
    return Study.load(folder)


def _check(outputs: Mapping[str, Path], folder: Path, voters: int, side: int) -> None:
    if not 2 <= len(outputs) <= MOST_OUTPUTS:
        raise InputError(f"a study compares 2 to {MOST_OUTPUTS} folders of outputs, got {len(outputs)}")
    if voters < 0:
        raise InputError(f"the number of voters is 0 (open to all) or more, got {voters}")
    if side < LEAST_SIDE:
        raise InputError(f"the longest side of pictures is {LEAST_SIDE} pixels or more, got {side}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{str(folder)!r} is there already, and may hold votes: give a new folder")


def _write(study: Study, voters: int) -> None:
    identities = [study.signer.identity() for _ in range(voters)]
    secret = study.folder / files.SECRET
    secret.touch(mode=0o600)
    secret.write_bytes(study.signer.secret)
    if identities:
        invitations = study.folder / files.INVITATIONS
        invitations.touch(mode=0o600)
        invitations.write_text("".join(f"?voter={identity}\n" for identity in identities), "utf-8")
    names = [study.signer.voter(identity) or "" for identity in identities]
    create(study.votes, {item.name: list(item.outputs) for item in study.items}, names)
    (study.folder / files.MANIFEST).write_text(study.manifest(), "utf-8")


def _item(pair: Pair, results: Mapping[str, Path], folder: Path, side: int) -> Item:
    content, style = _reduced(pair.content, side), _reduced(pair.style, side)
    names = {}
    for method, path in results.items():
        output = _picture(path)
        check_shape(path, output.size, pair, content.size)
        names[_save(output.resize(content.size, Image.Resampling.LANCZOS), folder)] = method
    return Item(
        name=secrets.token_hex(6),
        pair=pair.name,
        content=_save(content, folder),
        style=_save(style, folder),
        size=content.size,
        style_size=style.size,
        outputs=dict(sorted(names.items())),
    )


def _reduced(path: Path, side: int) -> Image.Image:
    image = _picture(path)
    scale = min(1.0, side / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _picture(path: Path) -> Image.Image:
    """In sRGB; what is transparent lies on grey."""
    image = to_pil(to_profile(read_image(path), None))
    if image.mode == "RGB":
        return image
    paper = Image.new("RGB", image.size, _GREY)
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _save(image: Image.Image, folder: Path) -> str:
    """Write a picture without metadata under a random name, and return that."""
    name = f"{secrets.token_hex(8)}.jpg"
    plain = Image.new("RGB", image.size)
    plain.paste(image)
    plain.save(folder / name, quality=_QUALITY, subsampling="4:4:4", optimize=True)
    return name
