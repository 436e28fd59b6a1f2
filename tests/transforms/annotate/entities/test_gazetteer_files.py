"""Gazetteer files: columns, rules, errors."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import storage

from tests.support.gcs import serve_gcs
from transforms.annotate.entities.gazetteer import gazetteer
from transforms.annotate.entities.gazetteer_files import MAX_CHARACTERS, GazetteerError, read_gazetteers


def test_later_file_overrides_earlier_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.parquet"
    first.write_text("\ufeffid,alias,type,note\n1,Zorbly,ORG,7\n2,Wexbury,LOC,x\n", "utf-8")
    table = pa.table({"alias": ["Zorbly", None], "id": [17, 18], "type": ["MISC", "LOC"]})
    pq.write_table(table.slice(0, 1), second)
    entries = read_gazetteers([str(first), str(second)]).by_alias
    assert {alias: (entry.kb_id, entry.type) for alias, entry in entries.items()} == {
        "Zorbly": ("17", "MISC"),
        "Wexbury": ("2", "LOC"),
    }
    assert gazetteer((str(first),)) is gazetteer((str(first),))


def test_other_columns_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    rows = [f"A{i} B,x:{i},ORG,{i}" for i in range(200_000)] + ["Zorbly Ltd,x:z,ORG,not a number"]
    path.write_text("\n".join(["alias,id,type,staff", *rows]) + "\n", "utf-8")
    entries = read_gazetteers([str(path)])
    found = [entries.find(alias) for alias in ("Zorbly Ltd", "A199999 B")]
    assert [entry and entry.kb_id for entry in found] == ["x:z", "x:199999"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alias,type\nA,ORG\n", "names.csv: the file must have the columns alias, id and type once each"),
        ("", "it has none"),
        ("alias,alias,id,type\n", "once each"),
        ("alias,id,type\nA,1,ORG\nB,2,COMPANY\n", "row 3: 'COMPANY' is not a valid type; use PERSON, ORG"),
        ("alias,id,type\nA,1,ORG\nA,2,ORG\n", "row 3: the alias 'A' has a different entry in an earlier row"),
        ("alias,id,type\n,1,ORG\n", "row 2: the alias must have 1 to"),
        ("alias,id,type\n--,1,ORG\n", "row 2: the alias must have 1 to"),
        (f"alias,id,type\n{'A ' * 40},1,ORG\n", "row 2: the alias must have 1 to"),
        (f"alias,id,type\n{'A' * (MAX_CHARACTERS + 1)},1,ORG\n", f"row 2: a value has more than {MAX_CHARACTERS}"),
        ("alias,id,type\nA,1\n", "names.csv cannot be read as csv: CSV parse error"),
        (b"alias,id,type\n\xff\xfe,1,ORG\n", "names.csv cannot be read as csv"),
        (b"\xff\xfea,id,type\n", "names.csv cannot be read as csv"),
    ],
)
def test_errors_have_file_row_and_rule(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(GazetteerError) as caught:
        read_gazetteers([str(path)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    for name, message in [
        ("gone.csv", "No such file"),
        ("x.parquet", "cannot be read as parquet"),
        ("x.txt", "must end in .csv or"),
    ]:
        with pytest.raises(GazetteerError, match=message):
            read_gazetteers([str(tmp_path / name)])


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.annotate.entities.gazetteer_files.MAX_ROWS", 2)
    path = tmp_path / "names.csv"
    path.write_text("alias,id,type\nA,1,ORG\nB,2,ORG\nC,3,ORG\n", "utf-8")
    with pytest.raises(GazetteerError, match="row 4: all gazetteers together can have at most 2 rows"):
        read_gazetteers([str(path)])


def test_gazetteer_in_a_bucket() -> None:
    with serve_gcs("names"):
        storage.Client().bucket("names").blob("own.csv").upload_from_string("alias,id,type\nZorbly,own:1,ORG\n")
        entry = read_gazetteers(["gs://names/own.csv"]).find("Zorbly")
        assert entry and entry.kb_id == "own:1"
        with pytest.raises(GazetteerError, match=r"gs://names/gone\.csv cannot be read: there is no such object"):
            read_gazetteers(["gs://names/gone.csv"])
