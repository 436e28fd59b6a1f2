"""Tests of the deployment files against the schemas of the tools that read them."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud.dataflow_v1beta3.types import ContainerSpec, ParameterType, TemplateMetadata
from google.protobuf import json_format

from onrecord import __version__
from tests.support.command_line import check_call
from transforms.schema.errors import ExitCode

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent


def load(name: str) -> Any:
    return json.loads(DEPLOY.joinpath("dataflow", name).read_text())


def test_template_metadata_matches_the_api() -> None:
    # The message type of the Dataflow API rejects unknown fields and enum values.
    metadata = TemplateMetadata(json_format.ParseDict(load("metadata.json"), TemplateMetadata.pb()()))
    assert metadata.name == "Onrecord"
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"name": "a", "parameter": []}, TemplateMetadata.pb()())
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"parameters": [{"name": "a", "paramType": "FILE"}]}, TemplateMetadata.pb()())


def test_parameters_have_help_and_valid_examples() -> None:
    examples = {
        "config": ["gs://your-bucket/daily.yaml"],
        "date": ["2026-01-31", "2026-01-31T05:00"],
        "lake": ["gs://your-bucket/news"],
        "set": ["fetch.shards=64", "fetch.shards=64;archive=true"],
        "sdk_container_image": ["europe-docker.pkg.dev/p/r/onrecord:0.1.0"],
    }
    metadata = TemplateMetadata(json_format.ParseDict(load("metadata.json"), TemplateMetadata.pb()()))
    assert {p.name for p in metadata.parameters} == set(examples)
    for parameter in metadata.parameters:
        assert parameter.label
        assert parameter.help_text.endswith(".")
        assert parameter.param_type != ParameterType.DEFAULT
        assert parameter.regexes
        for regex in parameter.regexes:
            assert all(re.fullmatch(regex, example) for example in examples[parameter.name])
            assert not re.fullmatch(regex, "")
    assert [p.name for p in metadata.parameters if not p.is_optional] == ["config", "sdk_container_image"]


def test_parameters_are_launcher_options(capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.cli.launch import main

    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    options = set(re.findall(r"--([a-z]+)", capsys.readouterr().out))
    # This option belongs to Beam.
    assert {p["name"] for p in load("metadata.json")["parameters"]} - {"sdk_container_image"} <= options


def test_container_spec_matches_the_api() -> None:
    spec = ContainerSpec(json_format.ParseDict(load("container-spec.json"), ContainerSpec.pb()()))
    assert load("container-spec.json")["metadata"] == load("metadata.json")
    assert spec.image.endswith(f"/onrecord:{__version__}")
    assert spec.sdk_info.language.name == "PYTHON"


def test_github_workflow() -> None:
    workflow = DEPLOY / "github-actions" / "onrecord-daily.yml"
    command: list[str | Path] = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    (run,) = (step["run"] for step in job["steps"] if "onrecord run configs/scheduled.yaml" in step.get("run", ""))
    # GitHub kills a job at its time limit. The command interrupts the run before, so that it commits and succeeds.
    ((stopper, hours),) = re.findall(r"^(timeout --foreground --preserve-status) (\d)h ", run)
    assert int(hours) * 60 < job["timeout-minutes"]
    script = "n=0; trap 'n=$((n+1))' TERM; sleep 2 & wait; wait; exit $((n+10))"
    assert subprocess.run([*stopper.split(), "1", "/bin/sh", "-c", script]).returncode == 11


def test_cron_line(tmp_path: Path) -> None:
    (line,) = re.findall(r"^\d.*$", DEPLOY.joinpath("cron", "onrecord.cron").read_text(), re.MULTILINE)
    schedule, command = line.split(" cd ", 1)
    assert schedule.split() == ["15", "5", "*", "*", "*"]
    # cron removes the escape of \%, and an unescaped % would end the command.
    assert not re.search(r"(?<!\\)%", command)
    shell = command.replace("\\%", "%").replace("/opt/onrecord", str(tmp_path), 1)
    fake = tmp_path / "onrecord"
    fake.write_text('#!/bin/sh\necho "asked: $*"\nexit 3\n')
    fake.chmod(0o755)
    result = subprocess.run(
        ["/bin/sh", "-c", f"cd {shell}"],
        env={"ONRECORD": str(fake), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 3
    (log,) = tmp_path.joinpath("logs").iterdir()
    assert re.fullmatch(r"asked: run configs/scheduled.yaml --date \d{4}-\d\d-\d\d\n", log.read_text())
    assert result.stdout == log.read_text()


def test_dag_retries_what_may_end_otherwise() -> None:
    text = DEPLOY.joinpath("airflow", "onrecord_daily.py").read_text()
    (final,) = re.findall(r"^FINAL = {(.*?)^}", text, re.MULTILINE | re.DOTALL)
    codes = {int(code) for code in re.findall(r"^ +(\d+):", final, re.MULTILINE)}
    assert codes == {ExitCode.REFUSED, ExitCode.HELD}


def test_exit_codes_are_documented() -> None:
    page = DEPLOY.parent.joinpath("docs", "running.md").read_text()
    table = re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE)
    assert table == [(str(int(code)), code.meaning) for code in ExitCode]


def test_systemd_unit(tmp_path: Path) -> None:
    text = DEPLOY.joinpath("systemd", "onrecord-stream.service").read_text()
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == f"{service['WorkingDirectory']}/.venv/bin/onrecord"
    check_call(arguments)
    assert DEPLOY.parent.joinpath(arguments[1]).exists()
    # If the signal reached Prism too, the stream could not drain.
    assert service["KillMode"] == "mixed"
    assert service["RestartPreventExitStatus"] == str(int(ExitCode.REFUSED))
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("there is no systemd-analyze")
    file = tmp_path / "onrecord-stream.service"
    file.write_text(text.replace(program, str(BIN / "onrecord")))
    done = subprocess.run([analyze, "verify", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, "onrecord-stream.service" in done.stderr) == (0, False), done.stderr
