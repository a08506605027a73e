"""The reference: its examples run, it holds every module once, and it says what docstrings mean."""

import doctest
import re
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from document_commands import REPOSITORY

from effects.registry import FAMILIES as EFFECTS
from vocoders.core.model_source import shipped_models
from vocoders.periodwave import BandFlowOptions
from vocoders.registry import FAMILIES as VOCODERS
from vocoders.wavehax import WavehaxOptions

WEBSITE = Path(__file__).with_name("website")
PACKAGES = ("vocoders", "effects", "recipes")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


WITH_EXAMPLES = sorted(
    _name(path) for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py") if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted
    assert result.failed == 0


@pytest.mark.parametrize("family", [*VOCODERS.values(), *EFFECTS.values()], ids=lambda family: family.name)
def test_every_family_has_an_example(family):
    home = family.model_class.__module__
    # In the module of the class, or in its package.
    documented = [name for name in (home, home.rpartition(".")[0]) if name in WITH_EXAMPLES]
    text = import_module(documented[0]).__doc__
    shipped = {model.name for model in shipped_models() if model.family == family.name}
    assert any(name in text for name in (f"{family.model_class.__name__}(", *shipped))


@pytest.mark.parametrize("name", ["vocoders", "effects", "vocoders.baselines", "effects.processors"])
def test_packages_begin_with_an_example(name):
    assert name in WITH_EXAMPLES


def _load(name):
    pytest.importorskip("griffe", reason="the reference is built with the extra 'docs'")
    pytest.importorskip("mkdocs", reason="the reference is built with the extra 'docs'")
    spec = spec_from_file_location(f"website_{name}", WEBSITE / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that reads a package of one module, and gives what the reference makes of its docstrings."""
    docstrings = _load("docstrings")
    griffe = sys.modules["griffe"]

    def read_text(text):
        (tmp_path / "toy").mkdir()
        (tmp_path / "toy" / "__init__.py").write_text(text)
        paths = [str(tmp_path), str(REPOSITORY)]
        loader = griffe.GriffeLoader(
            extensions=griffe.Extensions(docstrings.OndesDocstrings()), search_paths=paths, docstring_parser="google"
        )
        if "import vocoders" in text or "from vocoders" in text:
            loader.load("vocoders")
        monkeypatch.syspath_prepend(tmp_path)
        return loader.load("toy")

    return read_text


def test_roles_become_links(read):
    toy = read(
        '''"""See :class:`Box`, :meth:`~toy.Box.open` and :class:`torch.Tensor`."""
import torch
class Box:
    """A box; :meth:`open` opens it."""
    def open(self):
        """Open."""
class Crate(Box):
    """A larger :class:`Box`; :meth:`open` is as there."""
'''
    )
    box, opened = (f'<autoref identifier="toy.{name}" optional><code>' for name in ("Box", "Box.open"))
    assert toy.docstring.value == f"See {box}Box</code></autoref>, {opened}open</code></autoref> and `torch.Tensor`."
    assert f"{opened}open</code></autoref> opens it" in toy["Box"].docstring.value
    # Inherited names are found, and listed.
    assert toy["Crate"].docstring.value.count(opened) == 2


def test_a_role_that_names_nothing_is_told(read, caplog):
    read('"""See :class:`Boxx`."""\nclass Box:\n    """A box."""\n')
    assert "Boxx" in caplog.text


def test_literal_blocks_become_code(read):
    toy = read('"""Write so::\n\n    a = 1\n    b = 2\n\nThen more."""\n')
    assert toy.docstring.value == "Write so:\n\n```text\na = 1\nb = 2\n```\nThen more."


def test_declared_options_become_a_table(read):
    toy = read(
        '''from typing import Literal
from vocoders.core.options import SynthesisOptions, option
class Common(SynthesisOptions):
    """Common."""
    steps: int = option(4, dial=(1, 64), gt=0)
    """Number of steps."""
class Toy(Common):
    """Options of a toy."""
    shape: Literal["round", "square"] | None = option(None)
    """Form of the toy."""
'''
    )
    table = [line for line in toy["Toy"].docstring.value.splitlines() if line.startswith("|")]
    assert table[2:] == [
        "| `steps` | integer 1 to 64 | `4` | Number of steps. |",
        "| `shape` | `round`, `square` or `none` | `none` | Form of the toy. |",
    ]


def test_every_module_is_on_a_page():
    reference = _load("reference")
    modules, homes = reference._read_modules()
    found = {module.path for module in modules}
    files = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    public = {_name(path) for path in files if not re.search(r"/_(?!_init__)", str(path.relative_to(REPOSITORY)))}
    assert {name for name in public if not name.startswith(reference.LEFT_OUT)} == found
    assert homes["vocoders.wavehax.model.Wavehax"] == "vocoders.wavehax.Wavehax"
    assert homes["effects.engine.Engine"] == "effects.Engine"


@pytest.mark.slow
def test_the_reference_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocstrings", reason="the reference is built with the extra 'docs'")
    from mkdocs.__main__ import cli

    arguments = ["build", "--strict", "-f", str(WEBSITE / "mkdocs.yml"), "-d", str(tmp_path / "docs")]
    assert cli.main(arguments, standalone_mode=False) in (None, 0)
    pages = {page.stem: page.read_text() for page in (tmp_path / "docs").glob("*.html")}
    assert len(pages) > 25
    for name, page in pages.items():
        assert not re.search(r":(attr|class|data|func|meth|mod):|[.][.] [a-z]+::", page), name
    # A role is a link, across pages; options are there with those of parents.
    wavehax = pages["vocoders.wavehax"]
    assert 'href="vocoders.html#vocoders.interface.Vocoder.synthesize"' in wavehax
    assert WavehaxOptions.declared()[0].help in wavehax
    steps = next(option for option in BandFlowOptions.declared() if option.name == "steps")
    assert steps.help.split(",")[0] in pages["vocoders.periodwave.multiband"] + pages["vocoders.periodwave"]
