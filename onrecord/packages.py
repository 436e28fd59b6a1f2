"""Check that Python imports Onrecord's packages `pipeline` and `transforms`, not others with the same names."""

from importlib.util import find_spec
from pathlib import Path


def package_error() -> str | None:
    """Return an error message if a package, such as a user's folder ``pipeline``, shadows one of ours; else None."""
    for name in ("pipeline", "transforms"):
        ours = Path(__file__).resolve().parents[1] / name
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found is None:
            return f"the package {name} of Onrecord is missing in {ours.parent}; install onrecord again"
        if found.parent != ours:
            return (
                f"{found} shadows the package {name} of Onrecord: rename it, or start Python in another folder and "
                "without it in PYTHONPATH"
            )
    return None
