"""Build and test the image without a container engine: ``python -m tests.deploy.rehearse_image``, `make test-image`.

The build stage's COPY and RUN steps are carried out in an empty folder, with an environment that has nothing but a
PATH; then what the last stage would start is started: the command line, and the launcher of flex templates.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
TARGET = "/opt/onrecord"
SAID = "“We open on Monday,” said Rosa Tiller, who chairs the trust."


def main(folder: Path) -> None:
    """Run all steps; stop at the first failure."""
    source, target = folder / "src", folder / "onrecord"
    source.mkdir()
    # Simulates the python3 of the base image, without the rest of this environment.
    clean = {"PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin", "HOME": str(folder)}
    steps = DockerfileParser(fileobj=io.BytesIO(ROOT.joinpath("deploy/docker/Dockerfile").read_bytes())).structure
    stages = [number for number, step in enumerate(steps) if step["instruction"] == "FROM"]
    for step in steps[stages[-2] : stages[-1]]:
        if step["instruction"] == "COPY":
            copy(step["value"].split(), source)
        elif step["instruction"] == "RUN":
            run(step["value"].replace(TARGET, str(target)).split(), clean, source)
    for step in steps[stages[-1] :]:
        words = step["value"].split()
        if step["instruction"] == "COPY" and not words[0].startswith("--from"):
            copy([*words[:-1], "."], target)

    installed = {**clean, "PATH": f"{target}/bin:{clean['PATH']}"}
    entry = str(target / "entrypoint.sh")
    expect("Article URLs in" in run([entry, "--help"], installed, folder), "the command line does not start")
    folder.joinpath("texts.jsonl").write_text(json.dumps({"id": "1", "text": SAID}))
    run([entry, "annotate", "texts.jsonl", "voices.jsonl"], installed, folder)
    (quote,) = json.loads(folder.joinpath("voices.jsonl").read_text())["quotes"]
    expect(quote["speaker_name"] == "Rosa Tiller", f"the model reads {quote}")
    python = str(target / "bin" / "python")
    expect("--config" in run([python, str(target / "launch.py"), "--help"], installed, folder), "no launcher")
    run([python, "-c", "from apache_beam.runners.dataflow.internal import apiclient"], installed, folder)
    megabytes = sum(f.stat().st_size for f in target.rglob("*") if f.is_file()) >> 20
    sys.stdout.write(f"The image's steps pass; what they install takes {megabytes:,} MB\n")


def copy(words: list[str], target: Path) -> None:
    """Copy files, and the contents of folders, into a folder, like COPY."""
    *names, place = words
    for name in names:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, target / place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.joinpath(place).mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / place)


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """Run a command and return its output; exit if it fails."""
    sys.stdout.write(f"+ {' '.join(command)}\n")
    sys.stdout.flush()
    done = subprocess.run(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)
    expect(done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout


def expect(holds: bool, otherwise: str) -> None:
    """Exit with a message if a condition does not hold."""
    if not holds:
        sys.exit(f"rehearse_image: {otherwise}")


if __name__ == "__main__":
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
