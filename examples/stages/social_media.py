"""Three sources, one transformation, a database: posts of three networks become rows of one table, under supervision.

mastodon: 4 posts, 8 words
bluesky: 4 posts, 4 words
rss: 4 posts, 12 words
dropped as spam: 3
crashes survived: 1
"""

import asyncio
import logging
import os
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tidegate.stages import Cancel, ProducerConsumer, Puller, Subscription
from tidegate.stages.patterns import DatabaseWriter
from tidegate.supervision import ChildSpec, Strategy, Supervisor

TABLE = "CREATE TABLE example_posts (source text, id integer, words integer, PRIMARY KEY (source, id))"
INSERT = "INSERT INTO example_posts VALUES (:source, :id, :words) ON CONFLICT DO NOTHING"
COUNT = "SELECT source, count(*) AS posts, sum(words) AS words FROM example_posts GROUP BY source"


@dataclass(frozen=True)
class Post:
    id: int
    text: str


@dataclass(frozen=True)
class Row:
    source: str
    id: int
    words: int


class Network(Puller[Post]):
    """Stands for an API: it answers after a while, with as many posts as are wanted, and remembers where it was."""

    def __init__(self, name: str, saying: str, seen: dict[str, int]) -> None:
        super().__init__(name=name)
        self.saying = saying
        self.seen = seen

    async def pull(self, demand: int) -> list[Post]:
        await asyncio.sleep(0.05)
        first = self.seen.get(self.name, 0)
        if first == 2 and self.name == "rss":
            self.seen["crashes"] = self.seen.setdefault("crashes", 0) + 1
            if self.seen["crashes"] == 1:
                raise ConnectionError("the feed is broken")  # its supervisor starts it again
        posts = [Post(n, "buy buy buy" if n == 4 else self.saying) for n in range(first, min(first + demand, 5))]
        self.seen[self.name] = first + len(posts)
        return posts


class Normalise(ProducerConsumer[Post, Row]):
    """What differs between the networks ends here: one kind of row goes on. Spam goes nowhere."""

    spam = 0

    async def handle_events(self, posts, sub):
        source = sub.producer.name
        Normalise.spam += sum("buy" in post.text for post in posts)
        return [Row(source, post.id, len(post.text.split())) for post in posts if "buy" not in post.text]


def tree(engine: AsyncEngine, seen: dict[str, int]) -> Supervisor:
    sayings = {"mastodon": "hello fediverse", "bluesky": "skeet", "rss": "one more article"}

    def network(name: str) -> ChildSpec:
        return ChildSpec(name, lambda: Network(name, sayings[name], seen))

    def normalise() -> Normalise:
        # temporary, and again when the source is back: one broken network does not stop the others
        subs = [Subscription(name, max_demand=2, min_demand=0, cancel=Cancel.TEMPORARY, resubscribe=0.05) for name in sayings]
        return Normalise(*subs, name="rows")

    children = [
        ChildSpec("networks", lambda: Supervisor(map(network, sayings))),
        ChildSpec("rows", normalise),
        ChildSpec("writer", lambda: DatabaseWriter("rows", engine=engine, statement=INSERT)),
    ]
    return Supervisor(children, strategy=Strategy.REST_FOR_ONE)


async def main():
    logging.disable(logging.ERROR)  # the crash is meant
    engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    async with engine.begin() as connection:
        await connection.execute(text(TABLE))
    seen: dict[str, int] = {}
    rows: list = []
    async with tree(engine, seen):
        while sum(row.posts for row in rows) < 12 or Normalise.spam < 3:
            await asyncio.sleep(0.05)
            async with engine.connect() as connection:
                rows = list(await connection.execute(text(COUNT)))
    by_source = {row.source: row for row in rows}
    for source in ("mastodon", "bluesky", "rss"):
        print(f"{source}: {by_source[source].posts} posts, {by_source[source].words} words")
    print("dropped as spam:", Normalise.spam)
    print("crashes survived: 1" if seen["crashes"] >= 1 else "nothing crashed")
    await engine.dispose()


asyncio.run(main())
