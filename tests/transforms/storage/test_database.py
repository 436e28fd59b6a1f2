"""A database that spills where nobody else does."""

from pathlib import Path

import pytest

from transforms.storage.database import open_database


def test_what_does_not_fit_is_spilled_to_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_database() as one, open_database() as other:
        folders = [
            Path(row[0])
            for database in (one, other)
            for row in database.execute("SELECT current_setting('temp_directory')").fetchall()
        ]
        one.execute("SET memory_limit = '60MB'")
        rows = one.execute(
            "SELECT count(*) FROM (SELECT repeat('x', 90) || i AS t FROM range(2000000) r(i) ORDER BY t)"
        )
        assert rows.fetchone() == (2_000_000,)
        one.execute("CREATE TABLE many AS SELECT repeat('x', 90) || i AS t FROM range(1500000) r(i)")
        assert any(folders[0].iterdir())
        assert not any(folders[1].iterdir())
        assert one.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
    assert folders[0] != folders[1]
    assert not any(folder.exists() for folder in folders)
    assert not any(tmp_path.iterdir())
