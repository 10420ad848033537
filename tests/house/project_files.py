"""The text files of the project, without generated and installed ones."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("services", "libs", "deploy", "tests", "bench", "docs", ".ci", ".github")
SUFFIXES = (".py", ".md", ".sql", ".toml", ".yaml", ".yml", ".json", ".pml", ".sh", ".js", ".mjs")
SKIPPED = ("node_modules", "__pycache__", "cdk.out", ".hypothesis")


def text_files() -> Iterator[Path]:
    """Yields every text file that a person may read, in the order of paths."""
    for path in sorted(ROOT.iterdir()):
        if path.is_file() and (path.suffix in SUFFIXES or path.name == "Makefile"):
            yield path
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES and not set(SKIPPED) & set(path.parts):
                yield path


def documents() -> Iterator[Path]:
    """Yields every Markdown document."""
    return (path for path in text_files() if path.suffix == ".md")
