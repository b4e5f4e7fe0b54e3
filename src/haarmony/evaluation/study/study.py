"""A study's folder: what is shown, which method made it, the secret, and the votes.

study.json        what each anonymous picture is; never shown to voters
pictures/         pictures of equal size for the web, under names that say nothing
votes.sqlite      votes
secret            signs the voters' names
invitations.txt   one line a voter, where the study is for those invited
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from haarmony.errors import InputError
from haarmony.evaluation.study.voters import Signer

FORMAT: Final = 1
MANIFEST: Final = "study.json"
PICTURES: Final = "pictures"
VOTES: Final = "votes.sqlite"
SECRET: Final = "secret"
SECRET_BYTES: Final = 32
INVITATIONS: Final = "invitations.txt"


@dataclass(frozen=True)
class Item:
    """A content, a style, and what the methods made of them.

    Attributes:
        name: anonymous.
        pair: the name of the pair.
        content: the picture's file in `pictures/`.
        style: the same.
        size: width and height of content and outputs, in pixels.
        style_size: width and height of the style.
        outputs: by the anonymous file of each picture, the method that made it.
    """

    name: str
    pair: str
    content: str
    style: str
    size: tuple[int, int]
    style_size: tuple[int, int]
    outputs: Mapping[str, str]

    @property
    def pictures(self) -> list[str]:
        """All files of the item."""
        return [self.content, self.style, *self.outputs]


@dataclass(frozen=True)
class Study:
    """A study that was built.

    Attributes:
        folder: where it lies.
        methods: in the order they were given.
        items: what is asked about.
        invited: whether only those who were invited may vote.
        signer: with the study's secret.
    """

    folder: Path
    methods: tuple[str, ...]
    items: tuple[Item, ...]
    invited: bool
    signer: Signer

    @property
    def votes(self) -> Path:
        """The database of votes."""
        return self.folder / VOTES

    @property
    def files(self) -> list[Path]:
        """All that it consists of."""
        pictures = [self.picture(name) for item in self.items for name in item.pictures]
        return [*(self.folder / name for name in (MANIFEST, VOTES, SECRET, INVITATIONS)), *pictures]

    def picture(self, name: str) -> Path:
        """Where a picture of an item lies."""
        return self.folder / PICTURES / name

    def manifest(self) -> str:
        """The study as text, without its secret."""
        fields = {
            "format": FORMAT,
            "methods": self.methods,
            "invited": self.invited,
            "items": [asdict(item) for item in self.items],
        }
        return json.dumps(fields, indent=1, ensure_ascii=False)

    @classmethod
    def load(cls, folder: Path) -> Study:
        """Open a study.

        Raises:
            InputError: when the folder holds none, or one that is damaged.
        """
        path = folder / MANIFEST
        try:
            fields = json.loads(path.read_text("utf-8"))
            if fields["format"] != FORMAT:
                raise InputError(
                    f"{str(path)!r} has format {fields['format']}, expected {FORMAT}: build anew"
                )
            items = tuple(_item(one) for one in fields["items"])
            secret = (folder / SECRET).read_bytes()
            if len(secret) != SECRET_BYTES:
                raise ValueError(f"its secret has {len(secret)} bytes, expected {SECRET_BYTES}")
            signer = Signer(secret)
            if not (folder / VOTES).is_file():
                raise FileNotFoundError
            return cls(folder, tuple(fields["methods"]), items, bool(fields["invited"]), signer)
        except FileNotFoundError as error:
            raise InputError(f"{str(folder)!r} holds no study: make one with haarmony study build") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{str(path)!r} is damaged ({error}): build the study anew") from error


def _item(fields: dict[str, object]) -> Item:
    item = Item(**fields)  # type: ignore[arg-type]
    if not isinstance(item.outputs, Mapping):
        raise TypeError("its outputs are no table")
    return Item(**{**asdict(item), "size": tuple(item.size), "style_size": tuple(item.style_size)})
