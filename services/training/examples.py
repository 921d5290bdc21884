"""What the classifier is shown: messages, and copies of them that are disguised, joined or hold another link.

Each is shown twice, as a whole line and as its skeleton alone, the two views that a phone always looks at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from mobile_model import features
from mobile_model.features import WHOLE_VIEWS, FeatureSpec
from services.training import augmentation
from services.training.dataset import Messages
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, LEGITIMATE, PROTECTED_TOPICS


@dataclass(frozen=True)
class Examples:
    """Rows of features with what they are.

    `message` is the number of the message that a row was made from.
    """

    rows: csr_matrix
    categories: NDArray[np.str_]
    weights: NDArray[np.float64]
    message: NDArray[np.int64]


def make_examples(messages: Messages, recipe: Recipe, spec: FeatureSpec) -> Examples:
    """Gives the examples that a recipe makes of messages: the same ones for the same messages and recipe.

    The messages weigh what `balance` makes of them. Copies are joined with messages among them, and no others.
    """
    copies, copied = _copies(messages, recipe)
    corpus = features.encode([*messages.texts, *copies])
    rows = vstack([features.matrix(corpus, spec, view) for view in range(WHOLE_VIEWS)], format="csr")
    message = np.concatenate([np.arange(len(messages)), copied])
    shares = np.concatenate([np.ones(len(messages)), np.full(len(copied), recipe.copy_weight)])
    weights = shares * messages.weights[message]
    return Examples(
        rows,
        np.tile(messages.categories[message], WHOLE_VIEWS),
        np.concatenate([weights, weights * recipe.skeleton_weight]),
        np.tile(message, WHOLE_VIEWS),
    )


def balance(categories: NDArray[np.str_], topics: NDArray[np.str_], recipe: Recipe) -> NDArray[np.float64]:
    """Gives what each message counts for its category and topic; 1 on average."""
    kinds, kind, counts = np.unique(categories, return_inverse=True, return_counts=True)
    factors = (len(categories) / (len(kinds) * counts)) ** recipe.balance
    is_protected = np.isin(topics, PROTECTED_TOPICS)
    balanced: NDArray[np.float64] = factors[kind] * np.where(is_protected, recipe.protected_weight, 1.0)
    balanced /= balanced.mean()
    return balanced


def expected_copies(categories: NDArray[np.str_], recipe: Recipe) -> float:
    """Gives how many copies a recipe makes of messages, on average."""
    harassment = np.count_nonzero(np.isin(categories, [category.value for category in HARASSMENT]))
    of_harassment = recipe.harassment_copies + recipe.joined_copies + recipe.linked_harassment
    of_others = recipe.other_copies + recipe.linked_others
    return harassment * of_harassment + (len(categories) - harassment) * of_others


def _copies(messages: Messages, recipe: Recipe) -> tuple[list[str], NDArray[np.int64]]:
    """Gives disguised, joined and linked copies, and the message that each was made from."""
    is_harassment = np.isin(messages.categories, [category.value for category in HARASSMENT])
    benign = np.flatnonzero(np.isin(messages.categories, [category.value for category in LEGITIMATE])).tolist()
    texts: list[str] = []
    copied: list[int] = []
    for number, (text, report) in enumerate(zip(messages.texts, messages.report_ids, strict=True)):
        random = augmentation.seeded(recipe.seed, report)
        made = [
            augmentation.disguised_copy(text, random)
            for _ in range(_copies_of(recipe, bool(is_harassment[number]), random.random()))
        ]
        if is_harassment[number] and benign and random.random() < recipe.joined_copies:
            made.append(augmentation.joined_copy(text, messages.texts[random.choice(benign)], random))
        if random.random() < (recipe.linked_harassment if is_harassment[number] else recipe.linked_others):
            made.append(augmentation.linked_copy(text, random))
        texts += made
        copied += [number] * len(made)
    return texts, np.array(copied, dtype=np.int64)


def _copies_of(recipe: Recipe, is_harassment: bool, draw: float) -> int:
    wanted = recipe.harassment_copies if is_harassment else recipe.other_copies
    return int(wanted) + (draw < wanted - int(wanted))
