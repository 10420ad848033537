"""Writes the files generated from the contracts.

``python -m contracts export DIR``: the JSON Schemas and the AsyncAPI document.
``python -m contracts messages DOCUMENT``: the reference's page of messages.
``python -m contracts rules DIR DOCUMENT``: Prometheus' rule files, and the table of alerts in the operations guide.
"""

from argparse import ArgumentParser
from pathlib import Path

from contracts.alerts import Release, rule_files, with_table
from contracts.reference import messages_page
from contracts.schemas import export


def main() -> None:
    parser = ArgumentParser(prog="contracts", description="What crosses a service border in Almanac.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("export", help="write JSON Schemas and asyncapi.json")
    command.add_argument("directory", type=Path)
    command = commands.add_parser("messages", help="write the reference's page of messages")
    command.add_argument("document", type=Path)
    command = commands.add_parser("rules", help="write Prometheus' rule files and the table of alerts")
    command.add_argument("directory", type=Path)
    command.add_argument("document", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "export":
        print(f"{len(export(arguments.directory))} files written to {arguments.directory}")
    elif arguments.command == "messages":
        arguments.document.write_text(messages_page(), encoding="utf-8")
    else:
        write_rules(arguments.directory, arguments.document)


def write_rules(directory: Path, document: Path) -> None:
    for name, text in rule_files(Release()).items():
        (directory / name).write_text(text, encoding="utf-8")
    document.write_text(with_table(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
