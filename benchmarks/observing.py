"""What it costs to watch a node: no-op jobs with and without metrics and traces, the node's own CPU per job.

    python benchmarks/observing.py [--jobs N] [--rounds N]   on a throw-away embedded PostgreSQL

Every mode runs in a process of its own, all of them once in each round, so that whatever else the machine does meets all alike.
CPU is the process's own, the server's not counted; the figures are medians of the rounds, beside those of the same round without
anything.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ground import Server, machine, migrated, parser

from tidegate import Node, Tidegate
from tidegate.observe.metrics import Metrics
from tidegate.settings import Settings

MODES = {
    "nothing": "neither metrics nor an SDK",
    "metrics": "metrics, as `tidegate up` has them",
    "api": "OpenTelemetry imported, no SDK configured",
    "unsampled": "an SDK that samples nothing",
    "one in twenty": "an SDK that samples 5%, exporting",
    "sampled": "an SDK that samples everything, exporting",
}
QUEUES = "jobs: [noop_jobs]\nqueues:\n  email: {consumers: 10, demand: {max: 100}}\n"
JOBS = 'from tidegate import job\n\n\n@job(queue="email")\nasync def noop(n: int) -> None: ...\n'
ONE_BY_ONE = 500


def configure(mode: str) -> None:
    if mode in ("nothing", "metrics"):
        return
    from opentelemetry import trace  # noqa: PLC0415 - whether it is imported is what is measured

    if mode == "api":
        return
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased  # noqa: PLC0415 - likewise

    class Nowhere(SpanExporter):
        """Encodes, as an exporter of OTLP does, and sends nothing."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415 - likewise

            encode_spans(spans).SerializeToString()
            return SpanExportResult.SUCCESS

    sampler = {"unsampled": ALWAYS_OFF, "sampled": ALWAYS_ON, "one in twenty": TraceIdRatioBased(0.05)}[mode]
    provider = TracerProvider(sampler=ParentBased(sampler))
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    trace.set_tracer_provider(provider)


async def measured(mode: str, database: str, config: Path, jobs: int) -> dict[str, float]:
    noop = importlib.import_module("noop_jobs").noop  # written by `main`
    configure(mode)
    async with Tidegate.connect(database, config=config) as tide:
        await tide.enqueue(noop, n=0)  # connects, imports
        before = time.process_time()
        for n in range(ONE_BY_ONE):
            await tide.enqueue(noop, n=n)
        one = (time.process_time() - before) / ONE_BY_ONE * 1e6
        for start in range(0, jobs, 20):  # twenty jobs share a trace: nobody traces a hundred thousand as one
            await tide.enqueue_many([noop.call(n=n) for n in range(start, start + 20)])
    total = jobs + ONE_BY_ONE + 1
    before_node, began = time.process_time(), time.perf_counter()
    async with Node(Settings.load(config, database=database)) as node:
        if mode == "metrics":
            Metrics(node)
        while (await node.unfinished()).todo:  # noqa: ASYNC110 - the table is what is watched
            await asyncio.sleep(0.02)
    return {
        "enqueue": one,
        "cpu": (time.process_time() - before_node) / total * 1e6,
        "rate": total / (time.perf_counter() - began),
    }


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] == "--mode":
        mode, address, place, many = sys.argv[2:]
        sys.path.insert(0, str(Path(place).parent))
        print(json.dumps(asyncio.run(measured(mode, address, Path(place), int(many)))))
        return

    words = parser(__doc__)
    words.add_argument("--jobs", type=int)
    words.add_argument("--rounds", type=int)
    asked = words.parse_args()
    jobs, rounds = asked.jobs or asked.size.pick(20_000, 10_000, 200), asked.rounds or asked.size.pick(5, 2, 1)
    found: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "queues.yaml"
        config.write_text(QUEUES, "utf-8")
        (Path(folder) / "noop_jobs.py").write_text(JOBS, "utf-8")
        template = migrated(server)
        for _ in range(rounds):
            for mode, results in found.items():
                database = server.create_database(template)
                command = [sys.executable, __file__, "--mode", mode, database, str(config), str(jobs)]
                ran = subprocess.run(command, capture_output=True, text=True, check=True)
                results.append(json.loads(ran.stdout.splitlines()[-1]))
                server.drop_database(database)
        version = server.version
    print(f"{machine()}, PostgreSQL {version}, {rounds} rounds of {jobs:,} no-op jobs, medians")
    print(f"{'':<46}{'node, us/job':>14}{'more':>8}{'enqueue, us/job':>18}{'more':>8}{'jobs/s':>9}")
    for mode, results in found.items():
        cpu, one = (statistics.median(each[what] for each in results) for what in ("cpu", "enqueue"))
        more = {
            what: statistics.median(each[what] - bare[what] for each, bare in zip(results, found["nothing"], strict=True))
            for what in ("cpu", "enqueue")
        }
        rate = statistics.median(each["rate"] for each in results)
        print(f"{MODES[mode]:<46}{cpu:>14.1f}{more['cpu']:>8.1f}{one:>18.1f}{more['enqueue']:>8.1f}{rate:>9,.0f}")


if __name__ == "__main__":
    main()
