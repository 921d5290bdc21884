"""Budget 5: everything that a run does with 40,000 messages, against a fit alone of the usual recipe."""

import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from services.training.local import train_folder
from tests.benchmarks.messages import Messages
from tests.benchmarks.result import Result

MESSAGES = 40_000
BUDGET_SECONDS = 60.0


def benchmark(messages: Messages) -> list[Result]:
    """Times read, fit, calibrate, export and evaluate; the peer only fits, and knows no disguises."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        rows = zip(messages.texts, messages.categories, strict=True)
        lines = [json.dumps({"text": text, "category": category}) for text, category in rows]
        (data / "messages.jsonl").write_text("\n".join(lines), "utf8")
        began = time.perf_counter()
        train_folder(data, Path(folder) / "out", Console(quiet=True))
        run_seconds = time.perf_counter() - began
    peer = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False),
        SGDClassifier(loss="log_loss", random_state=1),
    )
    began = time.perf_counter()
    peer.fit(messages.texts, messages.categories)
    peer_seconds = time.perf_counter() - began
    return [
        Result(
            f"a run on {len(messages.texts):,} messages",
            f"{run_seconds:.0f} s",
            f"TF-IDF and SGD, fit alone {peer_seconds:.0f} s",
            f"{run_seconds / peer_seconds:.1f} times",
            f"at most {BUDGET_SECONDS:.0f} s",
            run_seconds <= BUDGET_SECONDS,
        )
    ]
