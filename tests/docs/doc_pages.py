"""Reading of the project's Markdown pages: fenced blocks, links and paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:cpp|src|python|tests|benchmarks|cmake|docs|examples|\.ci)/[\w./*{},-]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page on which the text starts."""

    language: str
    text: str
    line: int


def read(page: Path) -> str:
    """Return a page's text without HTML comments, which readers do not see; lines stay in place."""
    return _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), page.read_text())


def blocks(page: Path, *languages: str) -> list[Block]:
    """Fenced blocks in order; all of them when no language is named."""
    text = read(page)
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start(2)) + 1)
        for match in _FENCE.finditer(text)
        if not languages or match[1] in languages
    ]


def local_links(page: Path) -> list[str]:
    """Targets of links into the project, without their anchors."""
    targets = (match[1].partition("#")[0] for match in _LINK.finditer(_FENCE.sub("", read(page))))
    return [target for target in targets if target and "://" not in target]


def paths(page: Path) -> list[str]:
    """Paths of the project that a page names in running text, as glob patterns."""
    named = (match[1] for match in _PATH.finditer(_FENCE.sub("", read(page))))
    return [pattern for path in named for pattern in _spelled_out(path)]


def _spelled_out(path: str) -> list[str]:
    """``a/{b,c}.h`` as ``a/b.h`` and ``a/c.h``."""
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", path)
    if match is None:
        return [path]
    return [f"{match[1]}{choice}{match[3]}" for choice in match[2].split(",")]
