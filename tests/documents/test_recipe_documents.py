"""Every command that the pages of the recipes show: its options are read, and in the slow tests it runs."""

import re
import shutil

import pytest
import yaml
from document_commands import DOCUMENTS, REPOSITORY, name_of, read_commands
from document_data import CORPORA, write_archives

EGS = REPOSITORY / "egs"
RECIPES = [path for path in DOCUMENTS if path.is_relative_to(EGS) and read_commands(path)]
# The README shows one recipe, tutorials show others.
_SHOWN = [path for path in DOCUMENTS if any(command.text.startswith("./run.sh") for command in read_commands(path))]
WITH_RECIPES = list(dict.fromkeys([*_SHOWN, *RECIPES]))
# What leads to a recipe and starts it, outside of the recipes' own pages.
_OF_RECIPES = (". ", "cd ", "cp ", "ondes recipe", "ondes effect", "./run.sh")

# What makes a run short: changes of every configuration, then by its family or objective.
SHORT = [
    *("trainer.max_steps=2", "trainer.valid_every=2", "trainer.checkpoint_every=2", "trainer.log_every=1"),
    *("trainer.num_threads=1", "data.batch_size=2", "data.num_workers=0"),
]
_FLOW = [
    *("model.hidden_channels=16", "model.dilations=[1]", "model.sampling.steps=1", "trainer.valid_clips=1"),
    *("data.segment_length=8960", "trainer.precision=no"),
]
_SASHIMI = [
    *("model.channels=8", "model.num_layers=1", "'model.s4={d_state: 8}'", "data.segment_length=1024"),
    "model.kernel_length=1024",
]
SMALL = {
    "gan": [
        *("model.channels=8", "model.num_blocks=2", "data.segment_length=4800", "trainer.valid_clips=1"),
        *("'objective.reconstruction={mel: 45.0}'", "'objective.discriminators={mrd: {channels: 4}}'"),
    ],
    "flow_matching": _FLOW,
    "turbo": [*_FLOW, "'objective.discriminators={mpd: {channels: 4, max_channels: 8}, ms_sb_cqt: {channels: 4}}'"],
    "likelihood": _SASHIMI,
    "diffusion": [change.replace("1024", "2048") for change in _SASHIMI],
    "pitch": ["model.channels=8", "model.num_blocks=1", "data.segment_length=12000"],
    "effect": ["data.segment_length=2000", "effect.pre_roll=500", "effect.valid_items=2"],
}
# Options that a recipe takes, of which those that it has are added.
OPTIONS = {
    **{"nj": "1", "n_gpus": "0", "metrics": "mel_l1", "items": "1", "num": "2", "seconds": "0.2"},
    **{"num_dev": "1", "num_test": "2"},
}
# What its stage -1 downloads.
DOWNLOADS = {
    "libritts": "LibriTTS",
    "libritts_r": "LibriTTS_R",
    "ljspeech": "LJSpeech-1.1",
    "sc09": "speech_commands_v0.02",
}
# Recipes that go on from what another one made: its document, and how many of its commands.
BEFORE = {"libritts/periodwave_turbo": ("libritts/periodwave", 2), "mini/periodwave_turbo": ("mini/periodwave", 1)}
# A command that a reader gives instead of those before it, not after them.
AFRESH = ("ln -s ",)


def _configuration(folder, command):
    """Return the configuration of a command, which the recipe chooses unless an option does."""
    words = command.words
    if "--conf" in words:
        return folder / words[words.index("--conf") + 1]
    chosen = re.search(r'^conf="[$]recipe/(.*)"$', (folder / "run.sh").read_text(), re.MULTILINE)
    return folder / (chosen[1] if chosen else "conf/train.yaml")


def _add(text, options, changes):
    """Add options behind those of a command, and changes behind its changes."""
    words = text.split()
    first = next((number for number, word in enumerate(words) if re.match(r"'?[a-z_]+\.[a-z_.]+=", word)), len(words))
    return " ".join([*words[:first], *options, *words[first:], *changes])


def _shorten(command, sandbox):
    """Return a recipe's command with what makes it short."""
    folder = sandbox.folder
    usage = sandbox.output("./run.sh --help")
    options = [f"--{name} {value}" for name, value in OPTIONS.items() if f"--{name} " in usage]
    configuration = yaml.safe_load(_configuration(folder, command).read_text())
    objective = configuration["objective"]["name"]
    if (configuration["family"], objective) == ("periodwave", "gan"):
        objective = "turbo"  # the same sizes
    corpus = DOWNLOADS.get(folder.parent.name)
    if "--stage -1" in command.text:
        source = sandbox.root / "published" / corpus
        options.append(f"--url {write_archives(CORPORA.make(source), sandbox.root / 'archives')}")
    return _add(command.text, options, [*SHORT, *SMALL[objective]])


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("document", WITH_RECIPES, ids=name_of)
def test_commands(document, open_sandbox):
    commands = read_commands(document)
    if document not in RECIPES:
        commands = [command for command in commands if command.text.startswith(_OF_RECIPES)]
    first, count = BEFORE.get(str(document.parent.relative_to(REPOSITORY)).removeprefix("egs/"), ("", 0))
    if first:
        path = EGS / first / "README.md"
        _run(read_commands(path)[:count], open_sandbox(path, []))
    _run(commands, open_sandbox(document, commands))


def _run(commands, sandbox):
    for command in commands:
        if command.text.startswith(AFRESH):
            for name in ("data", "dump", "exp"):
                shutil.rmtree(sandbox.folder / name, ignore_errors=True)
        is_recipe = command.words[0] == "./run.sh"
        printed = sandbox.run(command, _shorten(command, sandbox) if is_recipe else None)
        assert bool(re.search("stage [4-9]:", printed)) == is_recipe
        for name in re.findall(r"^(?:results|model): (?:ondes [a-z]+ --model )?(\S+)", printed, re.MULTILINE):
            assert (sandbox.folder / name).exists(), f"{command.text}: {name} is not there"


@pytest.mark.parametrize("document", WITH_RECIPES, ids=name_of)
def test_commands_are_understood(document, open_sandbox):
    prefixes = tuple(prefix for prefix in _OF_RECIPES if prefix != "ondes effect")
    commands = [command for command in read_commands(document) if command.text.startswith(prefixes)]
    sandbox = open_sandbox(document, commands)
    for command in commands:
        # All but the stages themselves: the options are read, the files that they name are looked up.
        sandbox.run(command, _add(command.text, ["--stop_stage -9"], []) if command.words[0] == "./run.sh" else None)


@pytest.mark.parametrize("document", RECIPES, ids=name_of)
def test_changes_name_known_keys(document):
    from recipes.config import TrainConfig

    for command in read_commands(document):
        if command.words[0] == "./run.sh" and (document.parent / "run.sh").exists():
            changes = [word for word in command.words if re.fullmatch(r"[a-z_]+\.[a-z_.]+=.*", word)]
            TrainConfig.from_yaml(_configuration(document.parent, command), changes)


@pytest.mark.parametrize("document", RECIPES, ids=name_of)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert link.startswith("https:") or (document.parent / link).exists(), link
