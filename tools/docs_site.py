"""What `mkdocs` builds besides the pages of docs/: a start page from README.md, references of YAML and commands."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(docs/([^)]*)\)")
_TAKEN = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made: mkdocs calls it before it reads any."""
    from mkdocs.structure.files import File

    made = {name: _moved((ROOT / source).read_text("utf-8"), source) for source, name in _TAKEN.items()}
    made["reference/yaml.md"] = yaml_reference()
    made["reference/command-line.md"] = command_reference()
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def _moved(text: str, source: str) -> str:
    """A page of the repository's root as a page of the site; what the site does not have is named without a link."""

    def link(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        if target.startswith(("http:", "https:")):
            return found[0]
        inside = _TAKEN.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else "")
        inside = f"{inside}README.md" if inside.endswith("/") else inside
        if inside.endswith(".md"):
            return f"[{words}]({inside}{anchor})"
        return words

    lines = _LINK.sub(link, _IMAGE.sub(r"![\1](\2)", text))
    return f"---\nedit_url: {source}\n---\n{lines}"


def yaml_reference() -> str:
    """Every key of a model's YAML, from the JSON schema: a table for each section."""
    schema = json.loads((ROOT / "include" / "models" / "_schema.json").read_text("utf-8"))
    definitions: Mapping[str, Any] = schema["$defs"]
    parts = [
        "# The YAML of a model\n",
        "What `almanac schema` prints, as tables. A key that a file does not have comes from `_defaults.yaml`.\n",
    ]
    parts += ["## Top level\n", _table(schema["properties"], definitions)]
    for name in sorted(definitions):
        if properties := definitions[name].get("properties"):
            parts += [
                f"## {name}\n",
                f"{_cell(definitions[name].get('description', ''))}\n",
                _table(properties, definitions),
            ]
    return "\n".join(parts)


def _table(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, about in properties.items():
        default = "" if isinstance(about.get("default", {}), dict) else json.dumps(about["default"], ensure_ascii=False)
        says = about.get("description") or definitions.get(_named(about), {}).get("description", "")
        rows.append(
            f"| `{name}` | {_kind(about, definitions)} | {f'`{_cell(default)}`' if default else ''} | {_cell(says)} |"
        )
    return "\n".join(rows) + "\n"


def _named(about: Mapping[str, Any]) -> str:
    return str(about.get("$ref", "")).rpartition("/")[2]


def _kind(about: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What may stand there, in words, with links to the sections."""
    if name := _named(about):
        return (
            f"[{name}](#{name.lower()})"
            if definitions[name].get("properties")
            else _kind(definitions[name], definitions)
        )
    if choices := about.get("anyOf") or about.get("oneOf"):
        kinds = dict.fromkeys(_kind(each, definitions) for each in choices)
        return " or ".join(kind for kind in kinds if kind != "null") or "null"
    if "enum" in about or "const" in about:
        return ", ".join(f"`{_cell(str(each))}`" for each in about.get("enum", [about.get("const")]))
    kind = str(about.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(about.get('items', {}), definitions)}"
    if kind == "object" and isinstance(inner := about.get("additionalProperties"), dict) and inner:
        return f"name: {_kind(inner, definitions)}"
    return "duration" if "examples" in about and "pattern" in about else kind


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def command_reference() -> str:
    """Every command with its arguments and options, from the command line itself."""
    import typer

    from almanac.cli.app import EXIT_CODES, app

    command = typer.main.get_command(app)
    return "\n".join(["# The command line\n", f"{EXIT_CODES}\n", *_commands("almanac", command)])


def _commands(path: str, command: Any) -> Iterator[str]:
    for name, each in sorted(command.commands.items()):
        here = f"{path} {name}"
        if each.hidden:
            continue
        if hasattr(each, "commands"):
            yield from _commands(here, each)
            continue
        call = " ".join([here, *(str(one.name).upper() for one in _of(each, "argument")), "[OPTIONS]"])
        yield f"## {here}\n\n{_plain(each.help or '')}\n\n`{call}`\n"
        options = _of(each, "option")
        if options:
            yield "| option | |\n|---|---|"
            for one in options:
                yield f"| `{', '.join((*one.opts, *one.secondary_opts))}` | {_cell(_plain(one.help or ''))} |"
            yield ""


def _of(command: Any, kind: str) -> list[Any]:
    return [one for one in command.params if one.param_type_name == kind and not getattr(one, "hidden", False)]


def _plain(text: str) -> str:
    return text.replace("\f", "").strip()
