"""A real Prometheus that scrapes what a test runs, by the configuration that the project ships."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "observability" / "prometheus.yml"
INTERVAL = "200ms"


class Scraper:
    """Prometheus in a folder of its own, ready once this returns. What it has scraped is asked for in PromQL."""

    def __init__(self, binary: str, folder: Path, target: str) -> None:
        config, log = folder / "prometheus.yml", folder / "prometheus.log"
        config.write_text(configuration(target), encoding="utf-8")
        self.port = _free_port()
        options = (
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )
        with log.open("wb") as out:
            self._process = subprocess.Popen([binary, *options], stdout=out, stderr=out, cwd=folder)
        deadline = time.monotonic() + 30
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"Prometheus did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()  # its data is thrown away
        self._process.wait(10)

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the vector that an expression is now."""
        found = self._get("query", query=expr)["result"]
        assert isinstance(found, list)
        return found

    def values(self, label: str, metric: str) -> list[str]:
        """Return a label's values on a metric, as a dashboard's variable asks for them."""
        return list(self._get(f"label/{label}/values", **{"match[]": metric}))

    def _get(self, what: str, **parameters: str) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def configuration(target: str) -> str:
    """Return the shipped configuration, with another target and less patience."""
    shipped = YAML(typ="safe").load(SHIPPED)
    shipped["global"]["scrape_interval"] = INTERVAL
    [job] = shipped["scrape_configs"]
    [group] = job["static_configs"]
    group["targets"] = [target]
    return json.dumps(shipped)  # JSON is YAML


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])
