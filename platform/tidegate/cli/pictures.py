"""Pictures of decisions and of simulations, as PNG. matplotlib comes with the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.errors import TidegateError, UsageError

if TYPE_CHECKING:
    from tidegate.introspection import DecisionView
    from tidegate.scaling import Figures, Run

__all__ = ["draw_history", "draw_runs"]


def draw_history(decisions: Sequence[DecisionView], queue: str, path: str) -> Path:
    """Draw depth and age over need and size, from the oldest decision to the newest; return the file."""
    if not decisions:
        raise TidegateError(f"no decision on queue {queue} is on record: there is nothing to draw")
    shown = decisions[::-1]
    figure, (above, below) = _axes(2)
    at = [each.at for each in shown]
    above.plot(at, [each.ready for each in shown], marker=".", color="tab:blue", label="jobs ready")
    above.set_ylabel("jobs")
    ages = above.twinx()
    ages.plot(at, [each.oldest_age for each in shown], marker=".", color="tab:orange", label="age of the oldest, s")
    ages.set_ylabel("seconds")
    below.step(at, [each.need for each in shown], where="post", color="tab:gray", linestyle="--", label="need")
    below.step(at, [each.to_size for each in shown], where="post", color="tab:green", label="consumers wanted")
    # counted right before each decision, so that it is what there was until then
    below.step(at, [each.alive for each in shown], where="pre", color="tab:red", label="consumers alive")
    above.legend(handles=[*above.get_lines(), *ages.get_lines()], loc="upper left")
    below.legend(loc="upper left")
    below.set_ylabel("consumers")
    above.set_title(f"queue {queue}")
    return _saved(figure, path)


def draw_runs(runs: Sequence[tuple[Figures, Run]], target: float, path: str) -> Path:
    """Draw, for each policy, who waits and how many consumers there are; return the file."""
    figure, axes = _axes(2)
    above, below = axes
    for figures, run in runs:
        at = [moment.at for moment in run.moments]
        above.step(at, [moment.oldest_age for moment in run.moments], where="post", label=f"{figures.policy}: oldest waits, s")
        below.step(at, [moment.consumers for moment in run.moments], where="post", label=f"{figures.policy}: consumers")
    above.axhline(target, color="tab:red", linestyle="--", label="target latency")
    for each in (above, below):
        each.legend(loc="upper left")
    below.set_xlabel("seconds")
    return _saved(figure, path)


def _axes(rows: int) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only where something is drawn
        from matplotlib.figure import Figure  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise UsageError("drawing needs matplotlib", hint="pip install 'tidegate[plot]'") from error
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, sharex=True)


def _saved(figure: Any, path: str) -> Path:
    place = Path(path)
    if place.suffix.lower() != ".png":
        raise UsageError(f"a picture is a PNG file; got {path}", hint=f"{place.with_suffix('.png')}")
    try:
        figure.savefig(place, dpi=110)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    return place
