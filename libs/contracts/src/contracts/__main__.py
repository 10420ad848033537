"""``python -m contracts export DIR`` writes the JSON Schemas and the AsyncAPI document."""

from argparse import ArgumentParser
from pathlib import Path

from contracts.schemas import export


def main() -> None:
    parser = ArgumentParser(prog="contracts", description="What crosses a service border in Almanac.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("export", help="write JSON Schemas and asyncapi.json")
    command.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    print(f"{len(export(directory))} files written to {directory}")


if __name__ == "__main__":
    main()
