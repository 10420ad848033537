"""Users files as people really have them."""

from pathlib import Path

import pytest

from local_stack.roster import RosterError, read_roster

HEADER = "firstName,lastName,dateOfBirth,timezone,deliveryTime"


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "users.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_rows_have_the_fields_of_the_header_and_their_line(tmp_path: Path) -> None:
    rows = read_roster(_file(tmp_path, f"{HEADER}\nAda,Lovelace,1990-12-10,Europe/London,08:30\n"))
    assert [row.line for row in rows] == [2]
    assert rows[0].fields == {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "dateOfBirth": "1990-12-10",
        "timezone": "Europe/London",
        "deliveryTime": "08:30",
    }


def test_a_bom_quotes_other_line_ends_and_blank_lines_are_read(tmp_path: Path) -> None:
    people = '"Zoë, the first","O\'Hara ""Z""",1990-12-10,UTC,\r\n,,,,\r\n"Two\r\nlines",B,1991-01-01,UTC,07:00'
    content = f"\ufeff{HEADER}\r\n\r\n{people}"
    rows = read_roster(_file(tmp_path, content))
    assert [row.line for row in rows] == [3, 5]
    assert rows[0].fields["firstName"] == "Zoë, the first"
    assert rows[0].fields["lastName"] == 'O\'Hara "Z"'
    assert rows[1].fields["firstName"] == "Two\r\nlines"


def test_an_empty_or_absent_delivery_time_is_left_to_the_api(tmp_path: Path) -> None:
    rows = read_roster(_file(tmp_path, f"{HEADER}\nA,B,1990-01-01,UTC,\nC,D,1990-01-01,UTC\n"))
    assert all("deliveryTime" not in row.fields and row.fault is None for row in rows)
    short = read_roster(_file(tmp_path, "firstName,lastName,dateOfBirth,timezone\nA,B,1990-01-01,UTC\n"))
    assert short[0].fault is None


def test_an_empty_required_field_is_left_to_the_api_to_refuse(tmp_path: Path) -> None:
    assert read_roster(_file(tmp_path, f"{HEADER}\n,B,1990-01-01,UTC,\n"))[0].fields["firstName"] == ""


@pytest.mark.parametrize("line", ["A,B,1990-01-01", "A,B,1990-01-01,UTC,09:00,more"])
def test_a_row_with_another_number_of_fields_is_at_fault_alone(tmp_path: Path, line: str) -> None:
    rows = read_roster(_file(tmp_path, f"{HEADER}\n{line}\nC,D,1990-01-01,UTC,\n"))
    assert [row.fault is None for row in rows] == [False, True]
    assert "fields where the header has 5" in (rows[0].fault or "")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("name,born\nAda,1990-01-01\n", "should be firstName,lastName,dateOfBirth,timezone"),
        ("firstName;lastName;dateOfBirth;timezone\n", "the header is"),
        (f"{HEADER},firstName\n", "the header is"),
        (f"{HEADER},email\n", "the header is"),
        ("", "empty"),
        ("\n\n", "empty"),
        (f'{HEADER}\n"Ada,B,1990-01-01,UTC\n', "line 2: unexpected end of data"),
        (f"{HEADER}\n".encode() + b"Zo\xeb,B,1990-01-01,UTC,\n", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(RosterError) as refusal:
        read_roster(_file(tmp_path, content))
    assert complaint in str(refusal.value)
    assert "users.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_or_a_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(RosterError, match="cannot be read"):
            read_roster(path)
