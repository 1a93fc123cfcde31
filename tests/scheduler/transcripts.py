"""A story told line by line: what stands under each `----` is what the code answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def told(tell: Callable[[str], Sequence[str]], text: str) -> str:
    """The file with the answers that `tell` gives to each of its lines."""
    lines: list[str] = []
    answers: list[str] = []
    in_answer = False
    for line in text.splitlines():
        if line == "----":
            lines += [line, *answers]
            answers, in_answer = [], True
        elif not line or not in_answer:
            in_answer = False
            lines.append(line)
            if line and not line.startswith("#"):
                answers += tell(line)
    return "\n".join(lines) + "\n"
