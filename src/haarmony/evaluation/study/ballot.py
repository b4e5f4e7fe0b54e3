"""What one voter sees: items and outputs in an order of the voter's own, the same each time."""

from __future__ import annotations

from typing import Any

from haarmony.evaluation.study.questions import QUESTIONS
from haarmony.evaluation.study.study import Item, Study
from haarmony.evaluation.study.votes import votes


def ballot(study: Study, voter: str) -> dict[str, Any]:
    """The items as the page takes them, without a word on methods, and the voter's votes up to now."""
    answers: dict[str, dict[str, str]] = {}
    for vote in votes(study.votes, voter=voter):
        answers.setdefault(vote.item, {})[vote.question] = vote.output
    items = sorted(study.items, key=lambda item: study.signer.signed("order", f"{voter} {item.name}"))
    return {
        "voter": voter,
        "open": not study.invited,
        "questions": list(QUESTIONS),
        "items": [_shown(study, voter, item) for item in items],
        "votes": answers,
    }


def _shown(study: Study, voter: str, item: Item) -> dict[str, Any]:
    outputs = sorted(
        item.outputs, key=lambda output: study.signer.signed("order", f"{voter} {item.name} {output}")
    )
    return {
        "item": item.name,
        "content": item.content,
        "style": item.style,
        "size": item.size,
        "styleSize": item.style_size,
        "outputs": outputs,
    }
