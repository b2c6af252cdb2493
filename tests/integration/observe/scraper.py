"""A real Prometheus and a real Alertmanager, by the configurations that the project ships, with other addresses and less patience."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruamel.yaml import YAML
from tests.support.ports import free_port
from tests.support.receiver import Posted

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "observability" / "prometheus.yml"
ALERTMANAGER = ROOT / "observability" / "alertmanager.yml"
INTERVAL = "200ms"
READ = YAML(typ="safe")


class Server:
    """A program in a folder of its own, ready once this returns."""

    def __init__(self, words: list[str], folder: Path, port: int, ready: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        log = folder / f"{Path(words[0]).name}.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(words, stdout=out, stderr=out, cwd=folder)
        deadline = time.monotonic() + 30
        while not self._answers(ready):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"{words[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()  # its data is thrown away
        self._process.wait(10)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Scraper(Server):
    """Prometheus, with the shipped rules, whose alerts go to `alertmanager` at once. What it has scraped is asked for in PromQL."""

    def __init__(self, binary: str, folder: Path, target: str, alertmanager: str) -> None:
        rules = folder / "rules"
        rules.mkdir()
        for file in sorted((SHIPPED.parent / "rules").glob("*.yml")):
            impatient = re.sub(r"^ +for: .*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)
            (rules / file.name).write_text(impatient, "utf-8")
        config = folder / "prometheus.yml"
        config.write_text(json.dumps(_configuration(target, alertmanager)), "utf-8")  # JSON is YAML
        port = free_port()
        words = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ]
        super().__init__(words, folder, port, "/-/ready")

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the vector that an expression is now."""
        found = self._get("query", query=expr)["result"]
        assert isinstance(found, list)
        return found

    def values(self, label: str, metric: str) -> list[str]:
        """Return a label's values on a metric, as a dashboard's variable asks for them."""
        return list(self._get(f"label/{label}/values", **{"match[]": metric}))

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, with what came of them."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def exemplars(self, expr: str) -> list[dict[str, str]]:
        """Return the labels of the exemplars of an expression's series."""
        found = self._get("query_exemplars", query=expr, start=str(time.time() - 600), end=str(time.time() + 60))
        return [each["labels"] for series in found for each in series["exemplars"]]

    def _get(self, what: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]


class Alertmanager(Server):
    """Alertmanager, whose pages and tickets go to a webhook."""

    def __init__(self, binary: str, folder: Path, webhook: str) -> None:
        config = folder / "alertmanager.yml"
        shipped = re.sub(r"group_wait: .*", "group_wait: 100ms", ALERTMANAGER.read_text("utf-8"))
        config.write_text(shipped.replace("http://127.0.0.1:9095", webhook), "utf-8")
        port = free_port()
        words = [
            binary,
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        super().__init__(words, folder, port, "/-/ready")


class Webhook(Posted):
    """Keeps what it is sent: `received["/pages"]` is a list of alerts."""

    def __init__(self) -> None:
        super().__init__()
        self.received: dict[str, list[dict[str, Any]]] = {}

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        self.received.setdefault(path, []).extend(json.loads(body)["alerts"])
        return b""


def _configuration(target: str, alertmanager: str) -> Any:
    shipped = READ.load(SHIPPED)
    shipped["global"] = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
    for group, address in ((shipped["scrape_configs"][0], target), (shipped["alerting"]["alertmanagers"][0], alertmanager)):
        [static] = group["static_configs"]
        static["targets"] = [address]
    return shipped
