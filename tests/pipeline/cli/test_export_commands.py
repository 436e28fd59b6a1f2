"""What `onrecord publish` costs those who do not use it."""

import subprocess
import sys


def test_the_command_line_loads_no_warehouse() -> None:
    code = "import sys, pipeline.cli.app; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert not {"apache_beam", "duckdb", "google", "pyarrow", "pydantic", "pyiceberg", "sqlalchemy"} & {*loaded}
