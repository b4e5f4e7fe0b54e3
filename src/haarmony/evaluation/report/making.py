"""A comparison from its beginning to its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haarmony.errors import InputError
from haarmony.evaluation.pairs import Pair, read_pairs
from haarmony.evaluation.plugged_in import plugged_in
from haarmony.evaluation.report.cost import measure_costs, read_costs, write_costs
from haarmony.evaluation.report.figures import METRICS, Measuring
from haarmony.evaluation.report.page import page
from haarmony.evaluation.report.results import UNTOUCHED, Contender, Result, Work, results
from haarmony.evaluation.report.scatter import scatter
from haarmony.evaluation.report.summary import Spread, summary, write_tables
from haarmony.evaluation.self_reference import check_names, self_pairs
from haarmony.evaluation.structure import Edges, sobel_edges
from haarmony.media.files import beside
from haarmony.media.opening import is_picture
from haarmony.pipelines.begun import begin

_HEADLINES = ("edge_ssim", "gram", "balance", "psnr", "delta_e")


@dataclass
class Comparison:
    """Contenders on pairs, in a folder.

    Attributes:
        work: where it is.
        pairs: in order.
        contenders: in order; the untouched content first.
        edges: the detector whose edges are compared.
        known: the results so far.
    """

    work: Work
    pairs: list[Pair]
    contenders: list[Contender]
    edges: Edges = sobel_edges
    known: list[Result] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        folder: Path,
        contenders: Sequence[Contender],
        *,
        pairs: Path | None,
        photos: Path | None,
        only: Sequence[str] | None = None,
        masks: bool = True,
        size: int | None = None,
        seed: int = 0,
        edges: str | None = None,
    ) -> Comparison:
        """Begin in a folder, or go on; contenders and pairs may be added when it goes on.

        Args:
            folder: of the report.
            contenders: to compare; the untouched content is added.
            pairs: a folder of them; or, in its place, the following.
            photos: a folder of photos for `self_pairs`.
            only: names of pairs.
            masks: whether masks count.
            size: the long side that pictures are reduced to.
            seed: of `self_pairs`.
            edges: `MODULE:FUNCTION` of another detector than Sobel's, as in `structure.Edges`.

        Raises:
            InputError: for a folder that was begun otherwise, names that there are not or twice, or no pairs.
        """
        names = [one.name for one in contenders]
        for name in names:
            if name != Path(name).name or name == "..":
                raise InputError(f"{name!r} is to be the name of a folder too: leave slashes out")
            if name == UNTOUCHED or names.count(name) > 1:
                raise InputError(f"there is more than one contender named {name}: each has a name of its own")
        for one in contenders:
            if one.folder is not None and not one.folder.is_dir():
                raise InputError(f"{str(one.folder)!r} is no folder: expected one of results of {one.name}")
        known = read_pairs(pairs) if pairs is not None else []
        source = pairs or photos
        assert source is not None
        settings = {"source": str(source.resolve()), "masks": masks, "size": size}
        if photos is not None:
            settings["seed"] = seed
        if edges is not None:
            settings["edges"] = edges
        found = _photos(photos) if photos is not None else []
        missing = set(only or ()) - {pair.name for pair in known} - {photo.stem for photo in found}
        if missing:
            raise InputError(f"there is no pair {sorted(missing)[0]!r} in {str(source)!r}")
        detector = sobel_edges if edges is None else _detector(edges)
        begin(folder, settings)
        truths: dict[str, Path] = {}
        if found:
            made = self_pairs(found, folder / "pairs", seed=seed)
            known = [pair for pair, _ in made]
            truths = {pair.name: truth for pair, truth in made}
        if only is not None:
            known = [pair for pair in known if pair.name in only]
        if not masks:
            known = [replace(pair, content_mask=None, style_mask=None) for pair in known]
        everyone = [Contender(UNTOUCHED, spec=UNTOUCHED), *contenders]
        return cls(Work(folder, size, truths), known, everyone, detector)

    @property
    def count(self) -> int:
        """How many results there will be."""
        return len(self.pairs) * len(self.contenders)

    def results(self) -> Iterator[Result]:
        """Make and measure what is not there, and keep all."""
        self.known = []
        for one in results(self.work, self.pairs, self.contenders, Measuring(self.edges)):
            self.known.append(one)
            yield one


def compare(comparison: Comparison, sizes: Sequence[int], *, limit: float) -> dict[str, str]:
    """Write tables, figure and page of results that are known; a line of figures for each contender.

    Args:
        comparison: whose `results` have been run.
        sizes: of squares for the cost; may be empty. What was measured before is kept, but for what failed.
        limit: seconds for one command of them.
    """
    work, known = comparison.work, comparison.known
    folder = work.folder
    found = summary(known)
    write_tables(folder, known)
    measured = {one.pair for one in known if one.figures}
    first = next((pair for pair in comparison.pairs if pair.name in measured), comparison.pairs[0])
    contenders = [one for one in comparison.contenders if one.name != UNTOUCHED]
    costs = read_costs(folder / "cost.csv")
    if sizes:
        costs = [one for one in costs if one.seconds is not None]
        for one in measure_costs(contenders, first.content, first.style, sizes, limit=limit, known=costs):
            costs = [*costs, one]
            write_costs(folder / "cost.csv", costs)
    shown = {one.name for one in contenders}
    costs = [one for one in costs if one.contender in shown]
    has_vgg = any("gram" in figures for figures in found.values())
    figure = scatter(found, across="gram" if has_vgg else "gram_compact", upward="edge_ssim")
    if work.truths:
        figure = scatter(found, across="delta_e", upward="psnr")
    masks = sum(pair.content_mask is not None for pair in comparison.pairs)
    head = (
        f"{len(comparison.pairs)} pairs, {masks} of them with masks, "
        f"{'at their size' if work.size is None else f'reduced to {work.size} pixels'}."
    )
    text = page(work, comparison.pairs, known, found, figure=figure, costs=costs, head=head)
    for name, content in (("scatter.svg", figure), ("report.html", text)):
        with beside(folder / name) as temporary:
            temporary.write_text(content, "utf-8")
    return {name: _headline(figures) for name, figures in found.items()}


def _headline(figures: Mapping[str, Spread]) -> str:
    known = [f"{METRICS[name].label} {figures[name].median:.3g}" for name in _HEADLINES if name in figures]
    return ", ".join(known) or "no result"


def _detector(name: str) -> Edges:
    detect = plugged_in(name, "--edges")

    def edges(picture: NDArray[Any]) -> NDArray[np.float64]:
        found = np.asarray(detect(picture))
        if found.shape != picture.shape[:2] or found.dtype.kind not in "buif":
            wanted = picture.shape[:2]
            raise InputError(f"{name!r} gave {found.dtype} {found.shape}: expected numbers {wanted}")
        return found.astype(np.float64)

    return edges


def _photos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder: expected one of photos")
    found = sorted(path for path in folder.iterdir() if is_picture(path))
    if not found:
        raise InputError(f"{str(folder)!r} holds no photos")
    check_names(found)
    return found
