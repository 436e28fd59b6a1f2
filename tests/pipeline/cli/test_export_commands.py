"""The command `onrecord export`: its former name, and its imports."""

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli.app import app
from tests.support.export_lakes import commit_run
from transforms.storage.folder import FolderStore


def test_command_line_imports_no_warehouse() -> None:
    code = "import sys, pipeline.cli.app; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert not {"apache_beam", "duckdb", "google", "pyarrow", "pydantic", "pyiceberg", "sqlalchemy"} & {*loaded}


def test_publish_is_a_hidden_alias(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    commit_run(store, "a-1", {1: "Ada one", 2: "Bo two"})
    outputs = []
    for name in ("export", "publish"):
        out = tmp_path / f"{name}.duckdb"
        done = CliRunner().invoke(app, [name, "duckdb", str(out), "--lake", store.root])
        assert (done.exit_code, out.exists()) == (0, True), done.output
        outputs.append(done.output)
    assert "quotes: 2 rows" in outputs[0]
    assert outputs[0] == outputs[1]
    listed = CliRunner().invoke(app, ["--help"]).output
    assert "  export " in listed
    assert "publish" not in listed
    help_texts = [CliRunner().invoke(app, [name, "iceberg", "--help"]).output for name in ("export", "publish")]
    assert help_texts[0].replace("export iceberg", "publish iceberg") == help_texts[1]
