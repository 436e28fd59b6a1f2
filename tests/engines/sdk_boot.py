"""Start one Python worker, like Beam's boot program in a container, for PROCESS environments.

A runner calls it with its id and the address of the runner's provision service, which tells all else.
"""

import argparse
import os
import sys

import grpc  # type: ignore[import-untyped]
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format


def main() -> None:
    """Run the worker until the runner ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("id", "provision_endpoint"):
        parser.add_argument(f"--{name}", required=True)
    given, _ = parser.parse_known_args()
    with grpc.insecure_channel(given.provision_endpoint) as channel:
        provision = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        info = provision.GetProvisionInfo(request, metadata=[("worker_id", given.id)]).info
    os.environ.update(
        WORKER_ID=given.id,
        PIPELINE_OPTIONS=json_format.MessageToJson(info.pipeline_options),
        LOGGING_API_SERVICE_DESCRIPTOR=text_format.MessageToString(info.logging_endpoint),
        CONTROL_API_SERVICE_DESCRIPTOR=text_format.MessageToString(info.control_endpoint),
        RUNNER_CAPABILITIES=" ".join(info.runner_capabilities),
    )
    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
