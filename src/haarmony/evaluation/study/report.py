"""The table of a study: how often each method was chosen, question by question, and how far voters agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from haarmony.evaluation.agreement import Share, alpha, interval_by_voters
from haarmony.evaluation.study.questions import QUESTIONS
from haarmony.evaluation.study.study import Study
from haarmony.evaluation.study.votes import changed, votes


@dataclass(frozen=True)
class Report:
    """What people said.

    Attributes:
        shares: by question and method.
        by_voters: by question and method, the interval of the share when voters are drawn again.
        agreement: by question, Krippendorff's alpha of the voters over items.
        voters: who cast a vote.
        changed: votes that their voters replaced.
    """

    shares: dict[str, dict[str, Share]]
    by_voters: dict[str, dict[str, tuple[float, float]]]
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

    The interval of a share takes every vote as independent of the others; `by_voters` does not. Voters who
    answered only some of the questions count with those.

    Raises:
        InputError: when the votes cannot be read.
    """
    cast = votes(study.votes)
    made_by = {(item.name, output): method for item in study.items for output, method in item.outputs.items()}
    shares: dict[str, dict[str, Share]] = {}
    by_voters: dict[str, dict[str, tuple[float, float]]] = {}
    agreement: dict[str, float] = {}
    for question in QUESTIONS:
        answers = [vote for vote in cast if vote.question == question]
        of_items: dict[str, list[str]] = defaultdict(list)
        of_voters: dict[str, list[str]] = defaultdict(list)
        for vote in answers:
            method = made_by[vote.item, vote.output]
            of_items[vote.item].append(method)
            of_voters[vote.voter].append(method)
        agreement[question] = alpha(of_items.values())
        shares[question], by_voters[question] = {}, {}
        for method in study.methods:
            counts = [(said.count(method), len(said)) for said in of_voters.values()]
            shares[question][method] = Share(sum(count for count, _ in counts), len(answers))
            by_voters[question][method] = interval_by_voters(counts)
    return Report(shares, by_voters, agreement, len({vote.voter for vote in cast}), changed(study.votes))
