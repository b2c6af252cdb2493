"""A real model: a random forest that learns to read handwritten digits, on the data set that scikit-learn ships."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Fit", "fit", "store"]

TREES: Final = 200  # with the writing of the file one to three seconds on one core


@dataclass(frozen=True, slots=True)
class Fit:
    """A trained model, and the share of digits it had not seen that it read correctly."""

    model: Any
    score: float


def fit(depth: int, seed: int) -> Fit:
    """Train on three quarters of the digits and score on the rest. The same `depth` and `seed` give the same model."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - a second of imports that only a training has to pay
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - likewise
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - likewise

    images, labels = load_digits(return_X_y=True)
    seen, unseen, known, asked = train_test_split(images, labels, random_state=seed, stratify=labels)
    model = RandomForestClassifier(n_estimators=TREES, max_depth=depth, random_state=seed, n_jobs=1).fit(seen, known)
    return Fit(model, float(model.score(unseen, asked)))


def store(model: Any, path: Path) -> None:
    """Write `model` to `path`, whole or not at all, whoever else writes there at the same time."""
    import joblib  # noqa: PLC0415 - comes with scikit-learn

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".joblib")
    os.close(handle)
    try:
        joblib.dump(model, draft, compress=("zlib", 1))
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
