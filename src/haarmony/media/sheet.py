"""Sheets: labelled pictures side by side, to judge with the eye what numbers cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from haarmony.errors import InputError
from haarmony.media.image import to_pil, to_profile
from haarmony.media.kinds import PictureLike, to_picture

_PAPER: Final = (24, 24, 24)
_INK: Final = (224, 224, 224)
_CHECK: Final = (96, 160)
_CHECK_SIDE: Final = 8
_WIDEST: Final = 3


class Cell(NamedTuple):
    """One picture of a sheet and the line that stands over it."""

    label: str
    picture: PictureLike


def draw_sheet(rows: Sequence[Sequence[Cell]], *, height: int = 320) -> Image.Image:
    """Draw rows of pictures on dark neutral paper, each under its label, columns aligned.

    Args:
        rows: from above to below, each from left to right; they may differ in length.
        height: of each picture, in pixels. One that would be more than three times as wide is shown lower.

    Returns:
        An RGB image, sRGB. Pictures of another profile are converted; transparent ones lie on a chequerboard.

    Raises:
        ImageError: for a file that cannot be read.
        InputError: when there is nothing to draw.
    """
    if not any(rows) or height < 1:
        raise InputError("a sheet needs a picture and a height of 1 pixel or more")
    font = ImageFont.load_default(size=max(10, height // 20))
    line = 2 * max(10, height // 20)
    margin = max(4, height // 40)
    thumbnails = [[_thumbnail(cell.picture, height) for cell in row] for row in rows]
    columns = max(len(row) for row in rows)
    widths = [max(row[i].width for row in thumbnails if i < len(row)) for i in range(columns)]
    size = margin + sum(width + margin for width in widths), margin + len(rows) * (line + height + margin)
    paper = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(paper)
    for number, (row, pictures) in enumerate(zip(rows, thumbnails, strict=True)):
        top = margin + number * (line + height + margin)
        left = margin
        for cell, picture, width in zip(row, pictures, widths, strict=False):
            text = _fitted(cell.label, font, width)
            draw.text((left, top + line / 2), text, fill=_INK, font=font, anchor="lm")
            paper.paste(picture, (left, top + line))
            left += width + margin
    return paper


def _thumbnail(picture: PictureLike, height: int) -> Image.Image:
    image = to_pil(to_profile(to_picture(picture), None))
    scale = min(height / image.height, _WIDEST * height / image.width)
    image = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS
    )
    if image.mode == "RGB":
        return image
    board = _chequerboard(image.size)
    board.paste(image, mask=image.getchannel("A"))
    return board


def _chequerboard(size: tuple[int, int]) -> Image.Image:
    cells = Image.new("L", (2, 2), _CHECK[0])
    cells.putpixel((0, 0), _CHECK[1])
    cells.putpixel((1, 1), _CHECK[1])
    tile = cells.resize((2 * _CHECK_SIDE, 2 * _CHECK_SIDE), Image.Resampling.NEAREST)
    board = Image.new("RGB", size)
    for top in range(0, size[1], tile.height):
        for left in range(0, size[0], tile.width):
            board.paste(tile, (left, top))
    return board


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, its end cut off with an ellipsis where it passes a width."""
    if font.getlength(text) <= width:
        return text
    kept = next((n for n in range(len(text), 0, -1) if font.getlength(text[:n] + "…") <= width), 0)
    return text[:kept] + "…" if kept else ""
