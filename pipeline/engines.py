"""What a run asks of an engine that is not this machine."""

import re
from collections.abc import Sequence
from importlib.metadata import version

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions, WorkerOptions

from pipeline.config import ConfigError, RunConfig


def remote_options(beam_options: Sequence[str]) -> PipelineOptions:
    """Beam's options for workers elsewhere: they have our code in their image, and need nothing of this session."""
    options = PipelineOptions(list(beam_options))
    options.view_as(SetupOptions).save_main_session = False
    return options


def runner_of(options: PipelineOptions) -> str:
    """The runner that options name, without its module; empty where they name none."""
    return (options.view_as(StandardOptions).runner or "").rpartition(".")[2]


def check_job(config: RunConfig, beam_options: Sequence[str]) -> None:
    """Refuses a Dataflow job whose workers would lack the lake, or this version of Onrecord.

    Raises:
        ConfigError: the lake is no bucket, or there is no image of ours, or its tag is another version.
    """
    options = PipelineOptions(list(beam_options))
    # Beam takes its runners' names in any case, and without their last word.
    if runner_of(options).lower().removesuffix("runner") != "dataflow":
        return
    if not config.lake.startswith("gs://"):
        raise ConfigError(f"lake: {config.lake} is out of reach for Dataflow's workers; gs://bucket/prefix is allowed")
    image, ours = options.view_as(WorkerOptions).sdk_container_image, version("onrecord")
    if not image:
        raise ConfigError(
            "--sdk_container_image is missing: Dataflow's workers need an image that holds onrecord, "
            "such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/onrecord:VERSION (docs/deployment.md builds it)"
        )
    tag = re.search(r":v?(\d+(?:\.\w+)+)$", image)
    if tag and tag[1] != ours:
        raise ConfigError(
            f"--sdk_container_image {image}: it holds version {tag[1]} and this is {ours}; build the image anew, or "
            "launch with its own version"
        )
