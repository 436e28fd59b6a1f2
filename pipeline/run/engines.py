"""What is asked of engines other than Beam's own in this process."""

import json
import logging
import os
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.runner import PipelineResult

from pipeline.config.errors import ConfigError
from pipeline.config.models import RunConfig

PRISM = "PrismRunner"
"""Beam's engine of this machine for streams: a program of its own, whose workers are threads of this process."""

_ANSWERS_SECONDS = 10.0
_JOB_SECONDS = 10 * 365 * 86_400
"""How long Beam's client listens to a job of Prism or Flink, after which it takes it for lost: else five minutes."""
_ENDS_SECONDS, _LOOKS_SECONDS = 60.0, 0.5
_LOG = logging.getLogger(__name__)


def remote_options(beam_options: Sequence[str]) -> PipelineOptions:
    """Beam's options for workers elsewhere: they have our code in their image, and need nothing of this session.

    Raises:
        ConfigError: they name Prism, which is not here.
    """
    options = PipelineOptions([f"--job_server_timeout={_JOB_SECONDS}", *beam_options])
    options.view_as(SetupOptions).save_main_session = False
    if is_prism(options):
        options.view_as(StandardOptions).runner = PRISM
        prism = options.view_as(PrismRunnerOptions)
        if not options.view_as(PortableOptions).job_endpoint:
            prism.prism_location = prism.prism_location or find_prism()
        is_chosen = any(option.startswith("--prism_log_level") for option in beam_options)
        if not is_chosen and not logging.getLogger().isEnabledFor(logging.INFO):
            prism.prism_log_level = "error"  # its logger heeds no level of ours
    google = options.view_as(GoogleCloudOptions)
    if _is_flink(options) and not google.job_name:
        google.job_name = f"onrecord-{uuid4().hex[:12]}"  # by which `cancel` finds it
    return options


def cancel(pipeline: Pipeline, result: PipelineResult) -> None:
    """Ends the job of a pipeline. Beam's job server leaves one on Flink as it is, so the cluster is asked too, and what
    still runs there after a minute is logged.
    """
    try:
        result.cancel()
    finally:
        if isinstance(pipeline.runner, FlinkRunner):  # Beam has taken the runner out of the options
            _cancel_on_flink(pipeline.options)


def _cancel_on_flink(options: PipelineOptions) -> None:
    master, name = options.view_as(FlinkRunnerOptions).flink_master, options.view_as(GoogleCloudOptions).job_name
    end, error = time.monotonic() + _ENDS_SECONDS, None
    try:
        # The job server submits some seconds after it was given the job, and also when that was cancelled since.
        while time.monotonic() < end:
            states = {j["jid"]: j["state"] for j in _ask_flink(master, "jobs/overview")["jobs"] if j["name"] == name}
            if states and all(state in ("FINISHED", "FAILED", "CANCELED") for state in states.values()):
                return
            for job, state in states.items():
                if state in ("INITIALIZING", "CREATED", "RUNNING", "RESTARTING"):
                    _ask_flink(master, f"jobs/{job}?mode=cancel", "PATCH")
            time.sleep(_LOOKS_SECONDS)
    except (OSError, ValueError, TypeError, KeyError) as caught:
        error = caught
    _LOG.warning("job %s may still run on Flink at %s, cancel it there: %s", name, master, error or "no answer in time")


def find_prism() -> str:
    """Where Prism is: beside this Python or on the PATH.

    Raises:
        ConfigError: it is at neither place.
    """
    beside = Path(sys.executable).parent / "prism"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("prism")
    if found is None:
        raise ConfigError(
            "Prism is not here, Beam's engine for streams on one machine: `make prism` builds it with Go; "
            "--prism_location=PATH or URL, behind --, names another place"
        )
    return found


def runner_of(options: PipelineOptions) -> str:
    """The runner that options name, without its module; empty where they name none."""
    return (options.view_as(StandardOptions).runner or "").rpartition(".")[2]


def _short(options: PipelineOptions) -> str:
    # Beam takes its runners' names in any case, and without their last word.
    return runner_of(options).lower().removesuffix("runner")


def is_prism(options: PipelineOptions) -> bool:
    """Whether options name Prism, in any spelling that Beam takes."""
    return _short(options) == "prism"


def _is_flink(options: PipelineOptions) -> bool:
    return _short(options) == "flink"


def check_job(config: RunConfig, beam_options: Sequence[str]) -> None:
    """Refuses a job of Dataflow or Flink that cannot be submitted, or whose workers would lack a file or our code.

    Raises:
        ConfigError: a place is out of the workers' reach, the engine does not answer, or there is no image of ours, or
            its tag is another version.
    """
    options = PipelineOptions(list(beam_options))
    if _short(options) == "dataflow":
        _check_places(config, "Dataflow", "gs://bucket/prefix is allowed", may_mount=False)
        _check_image("Dataflow", "--sdk_container_image", options.view_as(WorkerOptions).sdk_container_image)
    elif _is_flink(options):
        allowed = "allowed are gs://bucket/prefix and, with `mounted: true`, a whole path that all of them mount"
        _check_places(config, "Flink", allowed, may_mount=config.mounted)
        _check_environment(options)
        _check_flink(options)


def _check_places(config: RunConfig, engine: str, allowed: str, *, may_mount: bool) -> None:
    for key, place in _places(config):
        if not place.startswith("gs://") and not (may_mount and Path(place).is_absolute()):
            raise ConfigError(f"{key}: {place} is out of reach for {engine}'s workers; {allowed}")


def _places(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Every key that names files, with what it names."""
    yield "lake", config.lake
    for index, source in enumerate(config.sources):
        for pattern in source.patterns:
            yield f"sources.{index}.path", pattern
    for gazetteer in config.annotate.gazetteers:
        yield "annotate.gazetteers", gazetteer


def _check_image(engine: str, option: str, image: str | None) -> None:
    if not image:
        raise ConfigError(
            f"{option} is missing: {engine}'s workers need an image that holds onrecord, "
            "such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/onrecord:VERSION (docs/deployment.md builds it)"
        )
    tag, ours = re.search(r":v?(\d+(?:\.\w+)+)$", image), version("onrecord")
    if tag and tag[1] != ours:
        raise ConfigError(
            f"{option} {image}: it holds version {tag[1]} and this is {ours}; build the image anew, or "
            "launch with its own version"
        )


def _check_environment(options: PipelineOptions) -> None:
    """Workers that have our code: Beam's own image, which it takes unless told otherwise, has not."""
    portable = options.view_as(PortableOptions)
    kind, where = portable.environment_type, portable.environment_config
    if kind == "DOCKER":
        _check_image("Flink", "--environment_config", where or options.view_as(WorkerOptions).sdk_container_image)
    elif kind not in ("EXTERNAL", "LOOPBACK", "PROCESS"):
        raise ConfigError(
            f"--environment_type {kind or 'is missing'}: allowed are EXTERNAL, a worker pool beside each task manager "
            "(docs/engines.md), DOCKER and PROCESS"
        )


def _check_flink(options: PipelineOptions) -> None:
    flink = options.view_as(FlinkRunnerOptions)
    master, endpoint = flink.flink_master, options.view_as(PortableOptions).job_endpoint
    if master.startswith("["):
        raise ConfigError("--flink_master is missing: HOST:PORT of Flink's REST interface, such as flink:8081")
    found = _flink_version(master)
    if endpoint:
        host, _, port = endpoint.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _ANSWERS_SECONDS).close()
        except (OSError, ValueError) as error:
            raise ConfigError(f"--job_endpoint {endpoint}: no job server answers there ({error})") from error
    elif not flink.flink_job_server_jar and found != flink.flink_version:
        raise ConfigError(
            f"--flink_version {flink.flink_version}: the cluster at {master} is Flink {found}; give its version"
        )


def _flink_version(master: str) -> str:
    """The major and minor version of the cluster whose REST interface is there."""
    try:
        return ".".join(str(_ask_flink(master, "overview")["flink-version"]).split(".")[:2])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"--flink_master {master}: no Flink answers there ({error}); allowed is HOST:PORT of its REST interface"
        ) from error


def _ask_flink(master: str, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(f"{master if '://' in master else f'http://{master}'}/{path}", method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_ANSWERS_SECONDS) as answer:  # noqa: S310 - the user names the cluster
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        raise
