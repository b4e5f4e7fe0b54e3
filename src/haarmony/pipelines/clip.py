"""A film in, a film out: every frame of a shot in the same light."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haarmony.errors import FilmError
from haarmony.media.files import refuse_replacing
from haarmony.media.film import open_film
from haarmony.media.kinds import MaskLike
from haarmony.methods.wct2 import WCT2
from haarmony.mixing import MIXES
from haarmony.pages import give_back_large_blocks, giving_back
from haarmony.pipelines.control import Control
from haarmony.pipelines.lit import KEEPING_GRAIN, Path, settled
from haarmony.pipelines.styles import StyleLike
from haarmony.pipelines.ways import Ways


def transfer_film(
    content: str | os.PathLike[str],
    style: StyleLike | Sequence[tuple[StyleLike, float]] | Mapping[float, Any],
    output: str | os.PathLike[str],
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    path: Path = "carry",
    window: float | None = None,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | Sequence[MaskLike] | None = None,
    auto_masks: int | None = None,
    mix: str = MIXES[0],
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
    control: Control = KEEPING_GRAIN,
    codec: str | None = None,
    quality: str | None = None,
    resume: bool = False,
    keep_partial: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Give a film the light of a photo, from file to file, frame by frame.

    Sound, times and all else are the film's own. Memory does not depend on the film's length.

    Args:
        content: the film: a video file, a folder of numbered pictures, an animated GIF or WebP.
        style: as `transfer` takes it; or a schedule, a mapping of seconds to such styles, between which the
            light passes evenly: `{0: "noon.jpg", 10: "evening.jpg"}`.
        output: the file to write, by its extension.
        model: as `transfer` takes it.
        strength: 0 gives the film back, 1 the full transfer.
        path: carry, where the change of colour follows the picture; network, where the network decodes every
            frame at full size, which is slow; lut, one table of colours a shot, which is fast.
        window: seconds that statistics are taken over, to follow a slow drift within a shot such as a sunset;
            None for the whole shot.
        content_mask: one mask for all frames; a film of masks; or a folder with one for every frame.
        style_mask: labels of the style picture; of several, a list. Not with a schedule of pictures.
        auto_masks: without masks, find so many kinds of regions, 2 to 8, in every shot and in the styles, and
            follow them over time. By the path carry alone, and with a picture for every style.
        mix: see `transfer`.
        stages: see `transfer`.
        ways: its memory, statistics and shares count.
        control: what stays of the content; by default its grain, which a strong style would amplify. A table
            of colours can keep nothing: with the path lut it does not count.
        codec: of the film to write, and the following; see `haarmony.media.film_writing.write_film`.
        quality: likewise.
        resume: go on with what an earlier call left.
        keep_partial: take what can be decoded of a damaged film.
        progress: called with the number of frames that are done.

    Returns:
        The number of frames written.

    Raises:
        FilmError: for a film that cannot be read or written.
        ImageError: for a picture that cannot be read.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    from haarmony.media.film_writing import write_film

    try:
        from haarmony.pipelines.lit_frames import transferred_frames
    except ImportError as error:
        raise FilmError("films need an extra: pip install 'haarmony[video]'") from error

    styles = style.values() if isinstance(style, Mapping) else [style]
    refuse_replacing(output, [content, *styles, content_mask, style_mask])
    give_back_large_blocks()
    with open_film(content, keep_partial=keep_partial) as film:
        lit = settled(
            film,
            style,
            model=model,
            strength=strength,
            path=path,
            window=window,
            content_mask=content_mask,
            style_mask=style_mask,
            auto_masks=auto_masks,
            mix=mix,
            stages=stages,
            ways=ways,
            control=control,
        )
        return write_film(
            output,
            film,
            lambda start: giving_back(transferred_frames(film, lit, start)),
            codec=codec,
            quality=quality,
            settings=lit.settings(),
            resume=resume,
            progress=progress,
        )
