"""Writes the pages of the reference: what each module of the packages offers, by the shortest name that imports it.

A page of ``nav`` is called after a module. It holds that module and all whose name begins so, unless a page with a
longer name holds them: a module that is new is on a page without a line here.
"""

import json
import sys
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("vocoders", "effects", "recipes")
# Commands have pages of their own: what `ondes COMMAND --help` prints. The examples leave with an exported model.
LEFT_OUT = ("recipes.cli", "vocoders.exports.examples")
# The order in which a reader asks for what a package exports.
ORDER = ("model", "interface", "options", "config")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are named in ``nav`` and have no file, the notebooks, and the pictures."""
    for path in sorted((Path(__file__).parent / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=_notebook_page(path)))
        files.append(File.generated(config, f"notebooks/{path.name}", content=path.read_text(encoding="utf-8")))
    wanted = [name for name in _page_names(config.nav) if files.get_file_from_path(f"{name}.md") is None]
    modules, homes = _read_modules()
    contents: dict[str, list[griffe.Module]] = {name: [] for name in wanted}
    for module in modules:
        page = max((name for name in wanted if module.path.startswith(name)), key=len)
        contents[page].append(module)
    for name, held in contents.items():
        text = "\n".join(
            _section(module, module.path == name, homes)
            for module in sorted(held, key=lambda module: (module.path != name, *_rank(module)))
        )
        files.append(File.generated(config, f"{name}.md", content=text))
    # Imported here: they need torch, and what only reads the reference does not.
    sys.path.insert(0, str(Path(__file__).parent))
    from drawings import DRAWINGS

    for name, draw in DRAWINGS.items():
        files.append(File.generated(config, name, content=draw()))
    return files


def _notebook_page(path: Path) -> str:
    """Return the text and the code of a notebook, with a link to it; tests run it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    parts = [
        f"```python\n{text}\n```" if cell["cell_type"] == "code" else text
        for cell, text in zip(cells, texts, strict=True)
    ]
    parts.insert(1, f"[Download the notebook]({path.name}) and run it: every clip plays and draws its spectrogram.")
    return "\n\n".join(parts) + "\n"


def _page_names(nav: list) -> list[str]:
    names = []
    for entry in nav:
        for target in entry.values():
            names += _page_names(target) if isinstance(target, list) else [target.removesuffix(".md")]
    return names


def _read_modules() -> tuple[list[griffe.Module], dict[str, str]]:
    """Return the modules of the reference, and the shortest name of everything public by its full name."""
    loader = griffe.GriffeLoader(search_paths=[ROOT])
    for package in PACKAGES:
        loader.load(package)
    loader.resolve_aliases()
    modules = [module for name in PACKAGES for module in _below(loader.modules_collection[name])]
    homes: dict[str, str] = {}
    for module in sorted(modules, key=lambda module: module.path.count(".")):
        for name in _exports(module):
            homes.setdefault(module.members[name].canonical_path, f"{module.path}.{name}")
    return modules, homes


def _below(module: griffe.Module) -> list[griffe.Module]:
    """Return a module and those below it which are public."""
    found = [module]
    for name, member in sorted(module.members.items()):
        is_module = not member.is_alias and member.is_module
        if is_module and not name.startswith("_") and member.path not in LEFT_OUT:
            found += _below(member)
    return found


def _exports(module: griffe.Module) -> list[str]:
    """Return the public names of a module that a reader of its text finds (not those of ``A, B = make()``)."""
    return [str(name) for name in module.exports or [] if str(name) in module.members and not str(name).startswith("_")]


def _rank(module: griffe.Module) -> tuple[int, bool, int, str]:
    """Return what sorts the modules of a page: what a package exports, then the rest; what lies deeper comes later."""
    package = module if module.is_init_module else module.parent
    exported = {package.members[name].canonical_path.rpartition(".")[0] for name in _exports(package)}
    order = ORDER.index(module.name) if module.name in ORDER else len(ORDER)
    return module.path.count("."), module.path not in exported, order, module.path


def _section(module: griffe.Module, is_first: bool, homes: dict[str, str]) -> str:
    """Return the text of a module: its docstring, and what is defined in it."""
    own = [module.members[name] for name in _exports(module) if not module.members[name].is_alias]
    if not own and not is_first:
        return ""
    file = module.filepath.relative_to(ROOT)
    lines = ["" if is_first else f'## `{file}` {{ data-toc-label="{module.name}" }}', "", f"::: {module.path}"]
    lines += [
        "    options:",
        "      members: false",
        "      show_root_heading: false",
        "      show_root_toc_entry: false",
    ]
    # What the package exports comes first, and constants last.
    own.sort(key=lambda found: (homes[found.path] == found.path, found.is_attribute, found.lineno))
    return "\n".join([*lines, *(f"\n::: {homes[found.path]}" for found in own), ""])
