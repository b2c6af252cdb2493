"""Completion in bash of names with a colon in them, as kinds have: bash takes the colon for the end of a word."""

from __future__ import annotations

from typing import Any

from click.shell_completion import BashComplete, CompletionItem

__all__ = ["Bash", "joined"]


class Bash(BashComplete):
    """Puts the pieces of such a word together again, and gives bash what comes after its last colon."""

    name = "bash"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the finished words and the one that is being written."""
        args, incomplete = super().get_completion_args()
        words, word = joined(args, incomplete)
        if word != incomplete:  # where bash was told that a colon ends no word, it wants the whole
            self._known = word[: word.rfind(":") + 1]
        return words, word

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return what the script reads: the type and what bash is to insert."""
        return f"{item.type},{str(item.value).removeprefix(self._known)}"


def joined(args: list[str], incomplete: str) -> tuple[list[str], str]:
    """Return the words before, and the word at the end, with the pieces around its colons put together."""
    words = [*args]
    word = incomplete
    if word == ":":
        words.append(word)
        word = ""
    while words and words[-1] == ":":
        before = words[-2] if len(words) > 1 else ""
        word = f"{before}:{word}"
        del words[-2:]
    return words, word
