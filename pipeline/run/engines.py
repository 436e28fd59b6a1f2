"""Options, checks and cancellation for the engines: Beam's local runner, Prism, Flink and Dataflow."""

import json
import logging
import multiprocessing
import os
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    DirectOptions,
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

LOCAL_RUNNER = "FnApiRunner"
"""Beam's local runner. `DirectRunner` is not used, because it may switch to another engine and download it."""
_LOCAL_NAMES = ("fnapirunner", "directrunner", "direct", "switchingdirectrunner")

PRISM = "PrismRunner"
"""Beam's local streaming engine: a separate program; its workers are threads of this process."""

_RESPONSE_SECONDS = 10.0
"""Time limit for a response of Flink."""
_JOB_SECONDS = 10 * 365 * 86_400
"""Time limit after which Beam's client gives up a job of Prism or Flink; its default is five minutes."""
_CANCEL_SECONDS, _POLL_SECONDS = 60.0, 0.5
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine that runs a graph."""

    runner: str
    mode: str | None = None
    """Mode of the local runner's workers: in_memory, multi_threading or multi_processing."""
    workers: int | None = None
    """Number of workers; None: the runner decides."""

    @property
    def is_local(self) -> bool:
        """Whether it is Beam's local runner."""
        return self.runner == LOCAL_RUNNER

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' if self.workers != 1 else ''}" if self.workers else ""
        details = ", ".join(filter(None, (self.mode, workers)))
        return f"{self.runner} ({details})" if details else self.runner


def engine_of(beam_options: Sequence[str]) -> Engine:
    """The engine that Beam's options choose; without options, and for `DirectRunner`, it is `LOCAL_RUNNER`."""
    options = PipelineOptions(list(beam_options))
    runner = runner_of(options) or LOCAL_RUNNER
    if runner.lower() in _LOCAL_NAMES:
        direct = options.view_as(DirectOptions)
        workers = direct.direct_num_workers if direct.direct_num_workers is not None else 1
        return Engine(LOCAL_RUNNER, direct.direct_running_mode, workers or multiprocessing.cpu_count())
    if is_prism(options):
        return Engine(PRISM)
    return Engine(runner, workers=options.view_as(WorkerOptions).num_workers)


def remote_options(beam_options: Sequence[str]) -> PipelineOptions:
    """Complete Beam's options for any engine but the local runner.

    Raises:
        ConfigError: they name Prism, which is not installed.
    """
    options = PipelineOptions([f"--job_server_timeout={_JOB_SECONDS}", *beam_options])
    # Workers have our code in their image.
    options.view_as(SetupOptions).save_main_session = False
    if is_prism(options):
        options.view_as(StandardOptions).runner = PRISM
        prism = options.view_as(PrismRunnerOptions)
        if not options.view_as(PortableOptions).job_endpoint:
            prism.prism_location = prism.prism_location or find_prism()
        is_chosen = any(option.startswith("--prism_log_level") for option in beam_options)
        if not is_chosen and not logging.getLogger().isEnabledFor(logging.INFO):
            prism.prism_log_level = "error"  # Prism ignores the levels of our loggers
    google = options.view_as(GoogleCloudOptions)
    if _is_flink(options) and not google.job_name:
        google.job_name = f"onrecord-{uuid4().hex[:12]}"  # `cancel` finds the job by this name
    return options


def cancel(pipeline: Pipeline, result: PipelineResult) -> None:
    """Cancel the job of a pipeline.

    Beam's job server does not cancel a job on Flink, so it is cancelled on the cluster too; a job that still runs there
    after a minute is logged.
    """
    try:
        result.cancel()
    finally:
        if isinstance(pipeline.runner, FlinkRunner):  # Beam removes the runner from the options
            _cancel_on_flink(pipeline.options)


def _cancel_on_flink(options: PipelineOptions) -> None:
    master, name = options.view_as(FlinkRunnerOptions).flink_master, options.view_as(GoogleCloudOptions).job_name
    end, error = time.monotonic() + _CANCEL_SECONDS, None
    try:
        # The job server submits the job some seconds later, even if it was cancelled in between.
        while time.monotonic() < end:
            states = {
                j["jid"]: j["state"] for j in _request_flink(master, "jobs/overview")["jobs"] if j["name"] == name
            }
            if states and all(state in ("FINISHED", "FAILED", "CANCELED") for state in states.values()):
                return
            for job, state in states.items():
                if state in ("INITIALIZING", "CREATED", "RUNNING", "RESTARTING"):
                    _request_flink(master, f"jobs/{job}?mode=cancel", "PATCH")
            time.sleep(_POLL_SECONDS)
    except (OSError, ValueError, TypeError, KeyError) as caught:
        error = caught
    cause = error or "no response in time"
    _LOG.warning("job %s may still run on Flink at %s, cancel it there: %s", name, master, cause)


def find_prism() -> str:
    """Find Prism in the folder of this Python or on the PATH.

    Raises:
        ConfigError: Prism is not installed.
    """
    beside = Path(sys.executable).parent / "prism"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("prism")
    if found is None:
        raise ConfigError(
            "Prism, Beam's local streaming engine, is not installed: build it with `make prism` (needs Go), or name "
            "its location with -- --prism_location=PATH (or URL)"
        )
    return found


def runner_of(options: PipelineOptions) -> str:
    """The name of the runner without its module; empty if the options name none."""
    return (options.view_as(StandardOptions).runner or "").rpartition(".")[2]


def _short(options: PipelineOptions) -> str:
    # Beam accepts the names of its runners in any case and without the suffix.
    return runner_of(options).lower().removesuffix("runner")


def is_prism(options: PipelineOptions) -> bool:
    """Whether the options name Prism, in any spelling that Beam accepts."""
    return _short(options) == "prism"


def _is_flink(options: PipelineOptions) -> bool:
    return _short(options) == "flink"


def check_job(config: RunConfig, beam_options: Sequence[str]) -> None:
    """Check that a job can be submitted to Dataflow or Flink, and that its workers have our code and reach all files.

    Raises:
        ConfigError: the workers cannot reach a file, the engine does not respond, or the workers' image is missing or
            has another version of the code.
    """
    options = PipelineOptions(list(beam_options))
    if _short(options) == "dataflow":
        _check_locations(config, "Dataflow", "expected gs://bucket/prefix", may_mount=False)
        _check_image("Dataflow", "--sdk_container_image", options.view_as(WorkerOptions).sdk_container_image)
    elif _is_flink(options):
        expected = "expected gs://bucket/prefix or, with `mounted: true`, an absolute path that all workers mount"
        _check_locations(config, "Flink", expected, may_mount=config.mounted)
        _check_environment(options)
        _check_flink(options)


def _check_locations(config: RunConfig, engine: str, expected: str, *, may_mount: bool) -> None:
    for key, location in _locations(config):
        if not location.startswith("gs://") and not (may_mount and Path(location).is_absolute()):
            raise ConfigError(f"{key}: the workers of {engine} cannot reach {location}; {expected}")


def _locations(config: RunConfig) -> Iterator[tuple[str, str]]:
    """All file locations in a configuration, with their keys."""
    yield "lake", config.lake
    for index, source in enumerate(config.sources):
        for pattern in source.patterns:
            yield f"sources.{index}.path", pattern
    for gazetteer in config.annotate.gazetteers:
        yield "annotate.gazetteers", gazetteer


def _check_image(engine: str, option: str, image: str | None) -> None:
    if not image:
        raise ConfigError(
            f"{option} is missing: the workers of {engine} need an image with onrecord, "
            "such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/onrecord:VERSION (docs/deployment.md builds it)"
        )
    tag, ours = re.search(r":v?(\d+(?:\.\w+)+)$", image), version("onrecord")
    if tag and tag[1] != ours:
        raise ConfigError(
            f"{option} {image} has version {tag[1]}, but this is version {ours}; rebuild the image, or "
            "launch with the version of the image"
        )


def _check_environment(options: PipelineOptions) -> None:
    """Check that the workers have our code, which Beam's default image has not."""
    portable = options.view_as(PortableOptions)
    kind, image = portable.environment_type, portable.environment_config
    if kind == "DOCKER":
        _check_image("Flink", "--environment_config", image or options.view_as(WorkerOptions).sdk_container_image)
    elif kind not in ("EXTERNAL", "LOOPBACK", "PROCESS"):
        raise ConfigError(
            f"--environment_type {kind or 'is missing'}: expected EXTERNAL (a worker pool beside each task manager, "
            "docs/engines.md), DOCKER or PROCESS"
        )


def _check_flink(options: PipelineOptions) -> None:
    flink = options.view_as(FlinkRunnerOptions)
    master, endpoint = flink.flink_master, options.view_as(PortableOptions).job_endpoint
    if master.startswith("["):
        raise ConfigError("--flink_master is missing: expected HOST:PORT of Flink's REST interface, such as flink:8081")
    found = _flink_version(master)
    if endpoint:
        host, _, port = endpoint.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _RESPONSE_SECONDS).close()
        except (OSError, ValueError) as error:
            raise ConfigError(f"--job_endpoint {endpoint}: the job server does not respond ({error})") from error
    elif not flink.flink_job_server_jar and found != flink.flink_version:
        raise ConfigError(
            f"--flink_version {flink.flink_version}: the cluster at {master} runs Flink {found}; use its version"
        )


def _flink_version(master: str) -> str:
    """The major and minor version of a Flink cluster."""
    try:
        return ".".join(str(_request_flink(master, "overview")["flink-version"]).split(".")[:2])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"--flink_master {master}: Flink does not respond ({error}); expected HOST:PORT of its REST interface"
        ) from error


def _request_flink(master: str, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(f"{master if '://' in master else f'http://{master}'}/{path}", method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_RESPONSE_SECONDS) as response:  # noqa: S310 - the user names the cluster
            return json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        raise
