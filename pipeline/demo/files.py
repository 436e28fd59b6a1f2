"""Write the configuration of the demo into a folder."""

from importlib import resources
from pathlib import Path

CONFIG, URLS = "demo.yaml", "demo-urls.txt"
PORT = 8765
"""Port of the site in the configuration."""


def write_config(folder: Path, address: str) -> list[str]:
    """Write `CONFIG` and `URLS` unless they exist.

    Args:
        folder: an existing folder.
        address: ``127.0.0.1:PORT`` of the site.

    Returns:
        The names of the written files.

    Raises:
        OSError: the folder is not writable.
    """
    written = []
    for name in (CONFIG, URLS):
        text = (resources.files("pipeline.demo") / name).read_text(encoding="utf-8")
        try:
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text.replace(f"127.0.0.1:{PORT}", address))
        except FileExistsError:
            continue
        written.append(name)
    return written
