"""Messages to measure with: the starter corpus, and as many different ones made from it as asked."""

import itertools
import json
from dataclasses import dataclass

import numpy as np

from services.ingestion.starter_corpus import read_starter_corpus


@dataclass(frozen=True)
class Messages:
    """Texts with their categories."""

    texts: list[str]
    categories: list[str]


def starter() -> Messages:
    """Gives the starter corpus with its slots filled."""
    rows = [json.loads(line) for line in read_starter_corpus()]
    return Messages([row["text"] for row in rows], [row["category"] for row in rows])


def many(count: int) -> Messages:
    """Gives `count` different messages: each joins clauses of two messages of one category."""
    source = starter()
    draw = np.random.default_rng(7)
    by_category: dict[str, list[str]] = {}
    for text, category in zip(source.texts, source.categories, strict=True):
        by_category.setdefault(category, []).append(text)
    texts = list(source.texts[:count])
    categories = list(source.categories[:count])
    for category in itertools.islice(itertools.cycle(by_category), count - len(texts)):
        pool = by_category[category]
        first, second = (pool[int(i)] for i in draw.integers(len(pool), size=2))
        texts.append(first[: max(8, len(first) * 2 // 3)] + second[len(second) // 3 :])
        categories.append(category)
    return Messages(texts, categories)
