"""A real Flink cluster on loopback: a job manager, task managers, and Beam's job server beside it.

Each is a process of its own in a folder of its own. A task manager starts the Python workers of its tasks, in its
folder, and dies with them, as a machine does.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import create_connection, create_server
from typing import Any

from tests.engines.setup_flink import JOB_SERVER, LIBRARIES, ROOT, SOURCE

_OPENED = ("lang", "lang.reflect", "net", "io", "nio", "text", "time", "util", "util.concurrent")
_OPENED_MORE = ("util.concurrent.atomic", "util.concurrent.locks")
JAVA = [
    "java",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in (*_OPENED, *_OPENED_MORE)),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
]
_START_SECONDS = 120
"""Long, because test machines are busy."""


class Flink:
    """A running cluster.

    Args:
        folder: where its processes work.
        environment: variables for the Python workers.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, dict(environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        rpc, rest, job, artifacts = _free_ports(4)
        self._ports = [f"-Djobmanager.rpc.port={rpc}", f"-Drest.port={rest}"]
        self.master, self.job_endpoint, self._artifacts = f"127.0.0.1:{rest}", f"127.0.0.1:{job}", artifacts

    def options(self, parallelism: int) -> list[str]:
        """Beam's options for a job on this cluster."""
        worker = self._folder / "worker"
        worker.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -W ignore -m tests.engines.sdk_boot "$@" 2>>worker.log\n'
        )
        worker.chmod(0o755)
        environment = {"PYTHONPATH": str(ROOT), **self._environment}
        return [
            f"--flink_master={self.master}",
            f"--job_endpoint={self.job_endpoint}",
            f"--parallelism={parallelism}",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps({'command': str(worker), 'env': environment})}",
        ]

    def start(self, workers: int) -> None:
        """Start all processes and wait until they are ready."""
        conf = self._folder / "conf"
        conf.mkdir()
        (conf / "config.yaml").write_bytes((SOURCE / "config.yaml").read_bytes())
        self._flink("job-manager", "entrypoint.StandaloneSessionClusterEntrypoint", "512m")
        for number in range(workers):
            self.start_worker(number)
        host, job_port = self.job_endpoint.split(":")
        ports = ["--job-port", job_port, "--artifact-port", str(self._artifacts), "--expansion-port", "-1"]
        where = ["--flink-master", self.master, "--job-host", host, "--artifacts-dir", str(self._folder / "artifacts")]
        self._start("job-server", [*JAVA, "-Xmx512m", "-jar", str(JOB_SERVER), *where, *ports])
        self.wait_for(lambda: self.ask("overview")["slots-total"] == workers)
        self.wait_for(lambda: _is_open(host, int(job_port)))

    def start_worker(self, number: int) -> None:
        """Start a task manager with one slot."""
        self._flink(f"worker-{number}", "taskexecutor.TaskManagerRunner", "640m")

    def kill_worker(self, number: int) -> None:
        """Kill a task manager and its child processes."""
        self._kill(f"worker-{number}")

    def ask(self, path: str) -> Any:
        """Query the REST interface of the cluster."""
        with urllib.request.urlopen(f"http://{self.master}/{path}", timeout=10) as answer:
            return json.load(answer)

    def wait_for(self, condition: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        """Wait until a condition holds; a refused connection counts as false."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(OSError):
                if condition():
                    return
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            assert not dead, f"{dead[0]} has ended: {self.log(dead[0])[-2_000:]}"
            time.sleep(0.2)
        raise TimeoutError(f"Flink is not where it should be after {seconds:.0f} seconds")

    @property
    def pids(self) -> list[int]:
        """Ids of its processes; workers are their children."""
        return [process.pid for process in self._processes.values()]

    def log(self, name: str) -> str:
        """Log of a process."""
        return (self._folder / name / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End all processes."""
        for name in list(self._processes):
            self._kill(name)

    def _flink(self, name: str, main: str, heap: str) -> None:
        folder = self._folder / name
        options = [f"-Xmx{heap}", f"-Dlog4j.configurationFile={SOURCE}/log4j2.properties", f"-Djava.io.tmpdir={folder}"]
        program = [f"org.apache.flink.runtime.{main}", "--configDir", str(self._folder / "conf")]
        self._start(name, [*JAVA, *options, "-cp", f"{LIBRARIES}/*", *program, *self._ports])

    def _start(self, name: str, command: list[str]) -> None:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        with (folder / "log").open("ab") as log:
            # Its own group, so that its children can be ended with it.
            self._processes[name] = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def cluster(folder: Path, workers: int = 2, environment: Mapping[str, str] | None = None) -> Iterator[Flink]:
    """Run a cluster with a number of task managers until the context ends.

    Args:
        folder: an empty one.
        workers: task managers, each with one slot.
        environment: variables for the Python workers, which have none of this process.
    """
    flink = Flink(folder, environment or {})
    try:
        flink.start(workers)
        yield flink
    finally:
        flink.stop()


def _is_open(host: str, port: int) -> bool:
    with create_connection((host, port), 1):
        return True


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
