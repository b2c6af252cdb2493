"""The YAML language server that editors use, spoken to as an editor does."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.pages import ROOT

__all__ = ["NODE", "SERVER", "LanguageServer"]

NODE = shutil.which("node")
SERVER = ROOT / ".venv" / "node" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
SETTINGS = {"yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}}


class LanguageServer:
    """Runs while the block lasts."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._found: dict[str, list[dict[str, Any]]] = {}
        self._process = subprocess.Popen(
            [str(NODE), str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        capabilities = {"workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": False}}}
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities, "workspaceFolders": None})
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": SETTINGS})
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def complaints(self, path: Path) -> list[str]:
        """Open a file and return what the editor would underline in it."""
        text = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": path.read_text("utf-8")}
        self.tell("textDocument/didOpen", {"textDocument": text})
        while path.as_uri() not in self._found:
            self._read()
        return [each["message"] for each in self._found[path.as_uri()]]

    def offers(self, path: Path, *, line: int, character: int) -> list[str]:
        """Return what the editor would offer at a place of an open file."""
        where = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}
        found = self.ask("textDocument/completion", where)
        return [each["label"] for each in found["items"]]

    def hover(self, path: Path, *, line: int, character: int) -> str:
        """Return what the editor would say of a word of an open file."""
        where = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}
        return str(self.ask("textDocument/hover", where)["contents"]["value"])

    def ask(self, method: str, params: object) -> Any:
        """Send a request and return its answer."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while True:
            came = self._read()
            if came.get("id") == number and "method" not in came:
                assert "error" not in came, came
                return came["result"]

    def tell(self, method: str, params: object) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        """Read one message; remember what it complains of, answer what it asks."""
        assert self._process.stdout is not None
        length = 0
        while (line := self._process.stdout.readline().strip()) or not length:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            elif not line and self._process.poll() is not None:
                raise AssertionError("the language server ended")
        came: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if came.get("method") == "textDocument/publishDiagnostics":
            self._found[came["params"]["uri"]] = came["params"]["diagnostics"]
        elif came.get("method") == "workspace/configuration":
            answer = [SETTINGS.get(item.get("section")) for item in came["params"]["items"]]
            self._send({"id": came["id"], "result": answer})
        elif "method" in came and "id" in came:
            self._send({"id": came["id"], "result": None})
        return came
