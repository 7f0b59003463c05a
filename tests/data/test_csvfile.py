"""A text file is read in its declared encoding or not at all; a broken line spoils only itself."""

import codecs
from pathlib import Path

import pytest

from data.csvfile import MAX_COLUMNS, MAX_LINE, Layout, chunks, header, texts
from data.errors import ContractBroken, SourceError

PLAIN = Layout()


def file(folder: Path, content: bytes) -> Path:
    path = folder / "customers.csv"
    path.write_bytes(content)
    return path


def read(path: Path, layout: Layout = PLAIN, size: int = 100) -> dict[int, list[str]]:
    """Line number -> fields, of the sound lines."""
    found: dict[int, list[str]] = {}
    for lines in chunks(path, layout, size):
        columns = [[str(value) for value in column.to_pylist()] for column in lines.columns]
        found |= {n: [c[i] for c in columns] for i, n in enumerate(lines.numbers)}
    return found


def faults(path: Path) -> list[tuple[int, str]]:
    return [fault for lines in chunks(path, PLAIN) for fault in lines.broken]


def test_fields_quoted_and_plain(tmp_path: Path) -> None:
    path = file(tmp_path, b'id,name\n1,Ann\n"2","Lee, Bo"\n3,"say ""hi"""\n4,\n')
    assert read(path) == {
        2: ["1", "Ann"],
        3: ["2", "Lee, Bo"],
        4: ["3", 'say "hi"'],
        5: ["4", ""],
    }


def test_line_ends_may_be_mixed_and_the_last_may_lack(tmp_path: Path) -> None:
    """F05"""
    path = file(tmp_path, b"id,name\r\n1,Ann\n2,Bo\r\n\r\n3,Cai")
    assert read(path) == {2: ["1", "Ann"], 3: ["2", "Bo"], 5: ["3", "Cai"]}


def test_chunks_hold_all_lines_once(tmp_path: Path) -> None:
    path = file(tmp_path, b"id\n" + b"".join(b"%d\n" % n for n in range(25)))
    assert list(read(path, size=4).values()) == [[str(n)] for n in range(25)]


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"1", "1 fields where the header has 2"),
        (b"1,2,3", "3 fields where the header has 2"),
        (b'1,"Ann', "quote not closed"),
        (b'1,"Ann"x', "stray quote (',' expected after '\"')"),
        (b'a"b,"c', "stray quote (unexpected end of data)"),
        (b"1,A\0nn", "NUL character"),
        (b"1," + b"x" * MAX_LINE, "line longer than 1,000,000 characters"),
        (b"1," + b"x" * (5 * MAX_LINE), "line longer than 1,000,000 characters"),
    ],
)
def test_a_broken_line_breaks_alone(tmp_path: Path, line: bytes, reason: str) -> None:
    path = file(tmp_path, b"id,name\n0,Ann\n" + line + b"\n9,Zoe\n")
    assert faults(path) == [(3, reason)]
    assert read(path) == {2: ["0", "Ann"], 4: ["9", "Zoe"]}


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """F05"""
    path = file(tmp_path, codecs.BOM_UTF8 + b"id,name\n1,Ann\n")
    assert header(path, PLAIN) == ["id", "name"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_sixteen_and_thirty_two_bits_are_refused(tmp_path: Path, encoding: str) -> None:
    """F05"""
    path = file(tmp_path, "id,name\n1,王小明\n".encode(encoding))
    with pytest.raises(SourceError, match=r"is (UTF-16|not utf-8).*byte [01]\b"):
        read(path)


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "shift_jis"])
def test_another_encoding_is_refused_with_the_byte_that_gave_it_away(
    tmp_path: Path, encoding: str
) -> None:
    """F05"""
    path = file(tmp_path, "id,name\n1,Ann\n2,王\n".encode(encoding))
    with pytest.raises(SourceError, match="is not utf-8: byte 16 cannot be read"):
        read(path)


def test_the_byte_is_counted_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, codecs.BOM_UTF8 + b"id,name\n1,J\xf6rg\n")  # latin-1
    with pytest.raises(SourceError, match="byte 14 cannot be read"):
        read(path)


def test_a_declared_encoding_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, "id,name\n1,王小明\n".encode("gb18030"))
    assert read(path, Layout(encoding="gb18030")) == {2: ["1", "王小明"]}


@pytest.mark.parametrize("content", [b"", b"\n", b"\n1,Ann\n", b"  \r\n"])
def test_a_file_without_a_first_line_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ContractBroken, match="is empty: its first line must name the columns"):
        header(file(tmp_path, content), PLAIN)


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match=r"names a column twice .*name"):
        header(file(tmp_path, b"id,name,name\n"), PLAIN)


@pytest.mark.parametrize("first", [b'id,"name\n', b"id,na\rme\n", b'id,"na"me\n'])
def test_a_first_line_that_cannot_be_split_is_refused(tmp_path: Path, first: bytes) -> None:
    with pytest.raises(ContractBroken, match=r"the first line of .* cannot be split"):
        header(file(tmp_path, first), PLAIN)


def test_ten_thousand_columns_are_refused(tmp_path: Path) -> None:
    """F11"""
    names = ",".join(f"c{n}" for n in range(10_000)).encode()
    with pytest.raises(ContractBroken, match=f"10,000 columns, more than {MAX_COLUMNS:,}"):
        header(file(tmp_path, names), PLAIN)


def test_a_line_of_a_hundred_megabytes_is_never_held_whole(tmp_path: Path) -> None:
    """F11"""
    path = tmp_path / "customers.csv"
    with path.open("wb") as written:
        written.write(b"id,name\n1,")
        written.truncate(100_000_000)  # sparse: NUL to the end
    assert max(len(text) for text in texts(path, PLAIN)) < 5 * MAX_LINE
