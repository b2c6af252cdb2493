"""Post events to a server that is busy at first: the same batch comes again, under the same key.

503 for [1, 2, 3]
200 for [1, 2, 3]
200 for [4, 5]
keys: 2
"""

import asyncio
import json
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

from tidegate import constant
from tidegate.stages import Subscription, from_iterable
from tidegate.stages.patterns import HttpPoster

KEYS = []


class Busy(BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = 200 if KEYS else 503
        KEYS.append(self.headers["Idempotency-Key"])
        print(status, "for", events)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args):
        """Keep quiet."""


async def main():
    logging.disable(logging.WARNING)  # that the server is busy
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/events"
    events = await from_iterable([1, 2, 3, 4, 5]).start()
    async with httpx.AsyncClient() as client:
        poster = HttpPoster(Subscription(events, max_demand=3, min_demand=0), client=client, url=url, backoff=constant(0.1))
        await (await poster.start()).join()
    print("keys:", len(set(KEYS)))
    server.shutdown()


asyncio.run(main())
