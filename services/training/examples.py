"""What the classifier is shown: messages, and copies of them that are disguised, joined or hold another link.

Each is shown twice, as a whole line and as its skeleton alone, the two views that a phone always looks at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from mobile_model import features
from mobile_model.features import WHOLE_VIEWS, FeatureSpec
from services.training import augmentation
from services.training.dataset import Messages
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, LEGITIMATE, PROTECTED_TOPICS

OnMessages = Callable[[int, int], None]
"""Is told (messages done, messages in all); what it raises ends the work."""

_BLOCK: Final = 1000


@dataclass(frozen=True)
class Examples:
    """Rows of features with what they are.

    `message` is the number of the message that a row was made from, and `partner` that of the message whose text it
    holds besides; the same number where there is none.
    """

    rows: csr_matrix
    categories: NDArray[np.str_]
    weights: NDArray[np.float64]
    message: NDArray[np.int64]
    partner: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Gives the rows in which nothing stands but text of the chosen messages."""
        kept = chosen[self.message] & chosen[self.partner]
        return Examples(
            self.rows[kept], self.categories[kept], self.weights[kept], self.message[kept], self.partner[kept]
        )


def make_examples(messages: Messages, recipe: Recipe, spec: FeatureSpec, on_messages: OnMessages) -> Examples:
    """Gives the examples that a recipe makes of messages: the same ones for the same messages and recipe."""
    copies, copied, joined = _copies(messages, recipe, on_messages)
    corpus = features.encode([*messages.texts, *copies])
    rows = vstack([features.matrix(corpus, spec, view) for view in range(WHOLE_VIEWS)], format="csr")
    message = np.concatenate([np.arange(len(messages)), copied])
    partner = np.concatenate([np.arange(len(messages)), joined])
    shares = np.concatenate([np.ones(len(messages)), np.full(len(copied), recipe.copy_weight)])
    weights = shares * (messages.weights * _balance(messages, recipe))[message]
    return Examples(
        rows,
        np.tile(messages.categories[message], WHOLE_VIEWS),
        np.concatenate([weights, weights * recipe.skeleton_weight]),
        np.tile(message, WHOLE_VIEWS),
        np.tile(partner, WHOLE_VIEWS),
    )


def _balance(messages: Messages, recipe: Recipe) -> NDArray[np.float64]:
    """Gives what each message counts for its category and topic; 1 on average."""
    kinds, kind, counts = np.unique(messages.categories, return_inverse=True, return_counts=True)
    factors = (len(messages) / (len(kinds) * counts)) ** recipe.balance
    is_protected = np.array([topic in PROTECTED_TOPICS for topic in messages.topics])
    balanced: NDArray[np.float64] = factors[kind] * np.where(is_protected, recipe.protected_weight, 1.0)
    balanced /= balanced.mean()
    return balanced


def _copies(
    messages: Messages, recipe: Recipe, on_messages: OnMessages
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Gives disguised and joined copies, the message that each was made from, and the one that it was joined with."""
    is_harassment = np.isin(messages.categories, [category.value for category in HARASSMENT])
    benign = np.flatnonzero(np.isin(messages.categories, [category.value for category in LEGITIMATE])).tolist()
    texts: list[str] = []
    copied: list[int] = []
    partners: list[int] = []
    for number, (text, report) in enumerate(zip(messages.texts, messages.report_ids, strict=True)):
        if number % _BLOCK == 0:
            on_messages(number, len(messages))
        random = augmentation.seeded(recipe.seed, report)
        made = [
            augmentation.disguised_copy(text, random)
            for _ in range(_copies_of(recipe, bool(is_harassment[number]), random.random()))
        ]
        partners += [number] * len(made)
        if is_harassment[number] and benign and random.random() < recipe.joined_copies:
            partner = random.choice(benign)
            made.append(augmentation.joined_copy(text, messages.texts[partner], random))
            partners.append(partner)
        if random.random() < (recipe.linked_harassment if is_harassment[number] else recipe.linked_others):
            made.append(augmentation.linked_copy(text, random))
            partners.append(number)
        texts += made
        copied += [number] * len(made)
    return texts, np.array(copied, dtype=np.int64), np.array(partners, dtype=np.int64)


def _copies_of(recipe: Recipe, is_harassment: bool, draw: float) -> int:
    wanted = recipe.harassment_copies if is_harassment else recipe.other_copies
    return int(wanted) + (draw < wanted - int(wanted))
