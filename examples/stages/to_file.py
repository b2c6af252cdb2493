"""Append events to a file, a line each; a batch is in it as a whole or not at all.

{"n": 0}
{"n": 1}
{"n": 2}
"""

import asyncio
import json
import tempfile
from pathlib import Path

from tidegate.stages import from_iterable
from tidegate.stages.patterns import FileWriter


async def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        events = await from_iterable({"n": n} for n in range(3)).start()
        writer = await FileWriter(events, path=path, line=json.dumps, sync=True).start()
        await writer.join()
        print(path.read_text("utf-8"), end="")


asyncio.run(main())
