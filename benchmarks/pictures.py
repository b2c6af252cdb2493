"""The pictures of what was measured: one for each table in which a shape says more than its figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["draw"]


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what there are figures for; return the files. Nothing is drawn where matplotlib is not installed."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra
    except ImportError:
        return []
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "tidegate"  # the same figures make the same file
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text
    made = []
    for name, needs, picture in PICTURES:
        if needs in figures:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"bench-{name}.svg"
            _drawn(picture, figures[needs], file)
            made.append(file)
    return made


def _drawn(picture: Callable[[Any, dict[str, Any]], None], figures: dict[str, Any], file: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.add_subplot()
    picture(axes, figures)
    axes.spines[["top", "right"]].set_visible(False)
    axes.text(1, -0.22, figures["machine"], transform=axes.transAxes, va="top", ha="right", fontsize=7, color="0.4")
    figure.savefig(file, metadata={"Date": None})


def backlog(axes: Any, figures: dict[str, Any]) -> None:
    """Throughput against backlog."""
    rates = {f"{int(jobs):,}\nwait": rate for jobs, rate in figures["backlogs"].items()}
    rates |= {"others\nscheduled": figures["scheduled"], "others\nheld back": figures["gated"]}
    rates |= dict(zip(("first tenth,\nopen\ntransaction", "last tenth,\nopen\ntransaction"), figures["pinned"], strict=True))
    bars = axes.bar(list(rates), list(rates.values()), color=["C0"] * len(figures["backlogs"]) + ["C1", "C1", "C2", "C2"])
    axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel("no-op jobs/s, one node")
    axes.set_title("As work grows", fontsize=10)


def memory(axes: Any, figures: dict[str, Any]) -> None:
    """A node's memory over its jobs."""
    axes.plot([done for done, _ in figures["memory"]], [mib for _, mib in figures["memory"]])
    axes.set_ylim(0, 1.2 * max(mib for _, mib in figures["memory"]))
    axes.ticklabel_format(style="plain")
    axes.set_xlabel("jobs done")
    axes.set_ylabel("MiB")
    axes.set_title("The memory of one node", fontsize=10)


def waits(axes: Any, figures: dict[str, Any]) -> None:
    """How soon an idle worker begins, as a distribution."""
    for name, found in figures["peers"].items():
        times = found["waits"]
        shares = [(place + 1) / len(times) * 100 for place in range(len(times))]
        label = "raw asyncpg" if name == "nothing" else name
        axes.plot(times, shares, label=label, linewidth=2.5 if name == "tidegate" else 1)
    axes.set_xscale("log")
    axes.set_xlabel("ms from enqueue to the handler's first line, idle")
    axes.set_ylabel("% of jobs begun")
    axes.legend(fontsize=8, frameon=False)
    axes.set_title("How soon a job begins", fontsize=10)


def rates(axes: Any, figures: dict[str, Any]) -> None:
    """Jobs per second beside the server's own ceiling."""
    found = {"claims and acks by pgbench": figures["pgbench"]}
    if "raw" in figures:
        found["raw loop over asyncpg"] = figures["raw"]["rate"]
    beside = len(found)
    found |= {name: case["rate"] for name, case in figures["cases"].items()}
    bars = axes.barh(list(found)[::-1], list(found.values())[::-1], color=["C0"] * (len(found) - beside) + ["0.7"] * beside)
    axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    axes.set_xlabel("jobs/s")
    axes.set_title("What nodes drain", fontsize=10)


PICTURES: tuple[tuple[str, str, Callable[[Any, dict[str, Any]], None]], ...] = (
    ("drain", "drain", rates),
    ("backlog", "flat", backlog),
    ("memory", "flat", memory),
    ("latency", "peers", waits),
)
