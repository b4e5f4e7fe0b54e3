"""The table of a study: how often each method was chosen, question by question, and how far voters agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from haarmony.evaluation.agreement import Share, alpha
from haarmony.evaluation.study.questions import QUESTIONS
from haarmony.evaluation.study.study import Study
from haarmony.evaluation.study.votes import Vote, changed, votes


@dataclass(frozen=True)
class Report:
    """What people said.

    Attributes:
        shares: by question and method.
        agreement: by question, Krippendorff's alpha of the voters over items.
        voters: who cast a vote.
        changed: votes that their voters replaced.
    """

    shares: dict[str, dict[str, Share]]
    agreement: dict[str, float]
    voters: int
    changed: int

    def rows(self) -> Iterator[tuple[str, str, Share]]:
        """Question, method and share, in order."""
        for question, shares in self.shares.items():
            for method, share in shares.items():
                yield question, method, share


def report(study: Study) -> Report:
    """Count the votes.

    Shares take every vote as independent of the others. Voters who answered only some of the questions count
    with those.

    Raises:
        InputError: when the votes cannot be read.
    """
    cast = votes(study.votes)
    made_by = {(item.name, output): method for item in study.items for output, method in item.outputs.items()}
    shares: dict[str, dict[str, Share]] = {}
    agreement: dict[str, float] = {}
    for question in QUESTIONS:
        chosen = _chosen(study, cast, question, made_by)
        said = [method for methods in chosen for method in methods]
        shares[question] = {method: Share(said.count(method), len(said)) for method in study.methods}
        agreement[question] = alpha(chosen)
    return Report(shares, agreement, len({vote.voter for vote in cast}), changed(study.votes))


def _chosen(
    study: Study, cast: list[Vote], question: str, made_by: dict[tuple[str, str], str]
) -> list[list[str]]:
    """The methods that were chosen for each item."""
    chosen: dict[str, list[str]] = {item.name: [] for item in study.items}
    for vote in cast:
        if vote.question == question:
            chosen[vote.item].append(made_by[vote.item, vote.output])
    return list(chosen.values())
