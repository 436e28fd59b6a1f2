"""Write the reference pages of the documentation (docs/reference/) from the code: ``make docs``.

The sources are the configuration models, the table schemas, the list of reasons and the command line;
`tests/docs/test_docs.py` checks that the pages are current.
"""

import ast
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main
from typer.cli import get_docs_for_click

from pipeline.cli.app import app
from pipeline.config.models import RunConfig
from pipeline.report.advice import ADVICE
from transforms.schema.failures import Reason
from transforms.schema.tables import SCHEMA_VERSION, TABLES

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
NOTE = "<!-- Generated from the code by `make docs`; do not edit. -->\n\n"


def configuration() -> str:
    """All options of a configuration file: type, allowed values, default and meaning."""
    schema = RunConfig.model_json_schema()
    parts = [
        "# Configuration\n\nA run is described by one YAML file. Invalid keys and values are rejected before "
        "anything runs; `onrecord check FILE` prints the whole configuration with its defaults. `--set KEY=VALUE` with "
        "a dotted key overrides one option. In values, `${NAME}` and `${NAME:-default}` are replaced by environment "
        "variables, and `${DATE}`, `${YEAR}`, `${MONTH}` and `${DAY}` by the run's logical date.\n"
    ]
    for field in schema["properties"].values():
        if "$ref" in field:
            field.setdefault("description", _definition(schema, field["$ref"])["description"])
    parts += [f"## {title}\n\n{meaning}\n\n{_options(part)}" for title, meaning, part in _sections(schema)]
    return "\n".join(parts)


def _sections(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "The file", "The top level.", schema
    for kind, reference in schema["properties"]["sources"]["items"]["discriminator"]["mapping"].items():
        model = _definition(schema, reference)
        yield f"sources: type {kind}", model["description"], model
    for key, field in schema["properties"].items():
        if "$ref" in field:
            model = _definition(schema, field["$ref"])
            yield key, model["description"], model


def _options(model: dict[str, Any]) -> str:
    rows = []
    for name, field in model["properties"].items():
        required = name in model.get("required", ())
        default = "**required**" if required else f"`{_shown(field['default'])}`" if "default" in field else ""
        inner = f"see [{name}](#{name})" if "$ref" in field else "see below" if name == "sources" else _kind(field)
        meaning = field.get("description", "what kind of source this is")
        rows.append([f"`{name}`", inner, default, meaning])
    return _table(["option", "allowed", "default", "meaning"], rows)


def _kind(field: dict[str, Any]) -> str:
    """Describe the allowed values by their JSON Schema."""
    if "anyOf" in field:
        return " or ".join(_kind(option) for option in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "")
    if kind == "array":
        return f"list of: {_kind(field['items'])}"
    if kind == "object":
        return f"mapping to: {_kind(field['additionalProperties'])}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    kind = {"date": "date", "password": "text, never printed"}.get(
        field.get("format", ""), words.get(kind, "empty" if kind == "null" else kind)
    )
    return " ".join([kind, *_bounds(field)])


def _bounds(field: dict[str, Any]) -> Iterator[str]:
    least, above, most = field.get("minimum"), field.get("exclusiveMinimum"), field.get("maximum")
    if least is not None and most is not None:
        yield f"{_shown(least)} to {_shown(most)}"
    elif least is not None:
        yield f"of at least {_shown(least)}"
    elif above is not None:
        yield f"above {_shown(above)}" + (f", at most {_shown(most)}" if most is not None else "")
    if "pattern" in field:
        yield f"of the form `{field['pattern']}`"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def tables() -> str:
    """All tables and columns."""
    parts = [
        f"# Tables\n\nSchema version {SCHEMA_VERSION}. Times are UTC with microseconds; offsets are code points into "
        "`articles.text`, end exclusive. For paths and visibility of files see [the lake](../lake.md). "
        "`onrecord schema` prints this too.\n"
    ]
    for table in TABLES.values():
        rows = [[f"`{c.name}`", f"`{c.type}`", "yes" if c.nullable else "", c.meaning] for c in table.columns]
        about = f"{table.meaning}. Unique by `{', '.join(table.key)}`, sorted by `{', '.join(table.order)}`."
        parts.append(f"## {table.name}\n\n{about[0].upper()}{about[1:]}\n")
        parts.append(_table(["column", "type", "may be null", "meaning"], rows))
    return "\n".join(parts)


def reasons() -> str:
    """All reasons why a URL has no article."""
    rows = [
        [f"`{reason.value}`", meaning, "yes" if reason.retriable else "", ADVICE[reason]]
        for reason, meaning in meanings_of_reasons().items()
    ]
    return (
        "# Reasons\n\nThese codes are in `fetches.reason` and `failures.reason`. Retriable: another attempt may "
        "succeed, and the next runs of the configuration retry the URL automatically "
        "([find a missing article](../missing.md)).\n\n"
        + _table(["reason", "what happened", "retriable", "what to do"], rows)
    )


def meanings_of_reasons() -> dict[Reason, str]:
    """The docstring of each member of `Reason`, from its source."""
    (class_,) = ast.parse(inspect.getsource(Reason)).body
    assert isinstance(class_, ast.ClassDef)
    found = {}
    for member, sentence in zip(class_.body, class_.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(sentence, ast.Expr):
            found[Reason(ast.literal_eval(member.value))] = str(ast.literal_eval(sentence.value))
    return found


def commands() -> str:
    """All commands with their arguments and options."""
    command: Any = typer.main.get_command(app)
    # Typer's generator also lists hidden commands.
    command.commands = {name: one for name, one in command.commands.items() if not one.hidden}
    os.environ.pop("ONRECORD_LAKE", None)
    context = typer.Context(command, info_name="onrecord", help_option_names=["-h", "--help"], show_default=True)
    page = get_docs_for_click(obj=command, ctx=context, name="onrecord", title="Command line")
    return page.replace("```console\n$ ", "```text\n").rstrip() + "\n"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _definition(schema: dict[str, Any], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][reference.rsplit("/", 1)[1]]
    return found


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "tables.md": tables,
    "reasons.md": reasons,
    "commands.md": commands,
}


def main() -> int:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(NOTE + page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
