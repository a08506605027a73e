"""A package that is broken breaks nothing but itself, and is told in one line."""

import pytest

from effects.processors import PROCESSORS
from recipes.extensions import REGISTRIES, list_plugins
from recipes.metrics.registry import expand_names

CODE = {
    "broken_start": "raise ImportError('libtoy.so is missing\\nsecond line')",
    "broken_parts": """
from vocoders.core.family import Family
from vocoders.registry import Baseline, VocoderFamily

PLACE = "no_module_of_ours:Class"
FAMILY = VocoderFamily("lost", "Lost", "broken_parts:NAME", options="vocoders.core.options:SynthesisOptions")
OPTIONS = VocoderFamily("no_options", "Lost", PLACE, options=PLACE)
CLASH = VocoderFamily("clash", "Clash", PLACE, options="broken_options:Clash")
POOR = VocoderFamily("poor", "Poor", PLACE, options="broken_options:Poor")
EFFECT = Family("lost_effect", "Lost", PLACE)
BASELINE = Baseline("lost-baseline", "Lost", PLACE, "vocoders.core.options:SynthesisOptions")
NAME = 3

def make_nothing(source=None):
    return None
""",
    "broken_options": """
from vocoders.core.options import SynthesisOptions, option

class Clash(SynthesisOptions):
    seed: int = option(0)
    \"\"\"A name that commands have.\"\"\"
    zeal: float = option(1.0)
    \"\"\"A name of its own.\"\"\"

class Poor(SynthesisOptions):
    words: dict = {}
    \"\"\"No kind of option.\"\"\"
""",
}
# Classes and functions that can be imported, and fail when they are used: one raises, the other takes nothing.
FAILING = """
import sys
from torch import nn
from effects.models import EffectConfig, EffectModel
from recipes.discriminators import Discriminator
from recipes.losses import Loss
from recipes.objectives import Objective
from ondes_toy.objective import LeastSquares
from vocoders.baselines.baseline import BaselineVocoder
from vocoders.core.family import Family
from vocoders.mel_vocoder import MelVocoder
from ondes_toy.vocoder import ToyConfig
from vocoders.registry import Baseline, VocoderFamily

def refuse(*arguments, **options):
    raise ValueError("no licence\\nof ours")

class Raising:
    __init__ = refuse

class Empty:
    def __init__(self):
        pass

class AnyName(LeastSquares.Options):
    name: str
class RaisingLoss(Raising, Loss): pass
class EmptyLoss(Empty, Loss): pass
class RaisingEffectLoss(Raising, nn.Module): pass
class RaisingDiscriminator(Raising, Discriminator): pass
class EmptyDiscriminator(Empty, Discriminator): pass
class RaisingObjective(Raising, Objective):
    Options, kinds = AnyName, LeastSquares.kinds
class PoorObjective(Objective): pass
class LeavingObjective(Objective):
    Options, kinds = AnyName, LeastSquares.kinds
    def __init__(self, options, generator):
        sys.exit("good-bye")
class RaisingVocoder(Raising, MelVocoder):
    family, config_class = "raising", ToyConfig
class RaisingEffect(Raising, EffectModel):
    family, config_class = "raising_effect", EffectConfig
class RaisingBaseline(BaselineVocoder):
    from_details = matching = refuse

OPTIONS = "vocoders.core.options:SynthesisOptions"
VOCODER = VocoderFamily("raising", "Raising", "failing:RaisingVocoder", options=OPTIONS)
EFFECT = Family("raising_effect", "Raising", "failing:RaisingEffect")
BASELINE = Baseline("raising-baseline", "Raising", "failing:RaisingBaseline", OPTIONS)
"""
FAILING_POINTS = {
    "ondes.vocoders": {"raising": "VOCODER"},
    "ondes.effects": {"raising_effect": "EFFECT"},
    "ondes.baselines": {"raising-baseline": "BASELINE"},
    "ondes.metrics": {"raising": "refuse"},
    "ondes.losses": {"raising": "RaisingLoss", "empty": "EmptyLoss"},
    "ondes.effect_losses": {"raising": "RaisingEffectLoss"},
    "ondes.discriminators": {"raising": "RaisingDiscriminator", "empty": "EmptyDiscriminator"},
    "ondes.objectives": {"raising": "RaisingObjective", "leaving": "LeavingObjective", "poor": "PoorObjective"},
    "ondes.corpora": {"raising": "refuse"},
}
TAKEN = {
    "ondes.vocoders": "tcn",
    "ondes.baselines": "wavehax-24k",
    "ondes.effects": "wavehax",
    "ondes.processors": "comp_4c",
    "ondes.metrics": "all",
    "ondes.losses": "mel",
    "ondes.effect_losses": "output_spectrum",
    "ondes.discriminators": "mpd",
    "ondes.objectives": "gan",
    "ondes.corpora": "pairs",
}


@pytest.fixture
def broken(install, toy, ondes):
    """Everything that can be wrong, in every group, beside the toy package."""
    points = {group: {name: "string:digits"} for group, name in TAKEN.items()}
    for registry in REGISTRIES:
        points[registry.group] |= {"bad_start": "broken_start:IT", "bad_type": "string:digits"}
    families = dict.fromkeys(["lost", "other", "Big"], "FAMILY")
    families |= {"no_options": "OPTIONS", "clash": "CLASH", "poor": "POOR"}
    points["ondes.vocoders"] |= {name: f"broken_parts:{part}" for name, part in families.items()}
    points["ondes.effects"]["lost_effect"] = "broken_parts:EFFECT"
    points["ondes.baselines"]["lost-baseline"] = "broken_parts:BASELINE"
    points["ondes.metrics"]["nothing"] = points["ondes.corpora"]["nothing"] = "broken_parts:make_nothing"
    points["ondes.vocoder"] = {"misplaced": "broken_parts:FAMILY"}
    install("aaa-broken", points, CODE)
    ondes("prepare toy recordings data --dev 1 --test 1")
    ondes("features --data data/train --out dump --config conf/vocoder.yaml")
    return toy


def test_everything_that_is_wrong_is_listed(broken, ondes):
    found = {(item.group, item.name): item for item in list_plugins() if item.package == "aaa-broken 1.0"}
    for group, name in TAKEN.items():
        assert "taken by ondes" in found[group, name].problem
        assert "ImportError: libtoy.so is missing" in found[group, "bad_start"].problem
        assert found[group, "bad_type"].problem
    for name in ("no_options", "poor", "other", "Big"):
        assert found["ondes.vocoders", name].problem
    assert "'ondes.vocoders'" in found["ondes.vocoder", "misplaced"].problem
    assert all("\n" not in item.problem for item in found.values())
    listed = ondes("models --plugins").out
    assert "libtoy.so is missing" in listed
    assert listed.count("ok\n") == 11 + 6  # the toys, and what is imported or called later
    assert ondes("models --plugins --json").out.count('"aaa-broken 1.0"') == len(found)


def test_no_command_of_others_breaks(broken, ondes):
    for line in (
        "models",
        "prepare --help",
        "synth --help",
        "generate --help",
        "train --config conf/vocoder.yaml --exp exp/vocoder",
        "train --config conf/effect.yaml --exp exp/effect trainer.max_steps=2",
        "pack --exp exp/vocoder -o toy-16k",
        "synth recordings -o copies --model toy-16k --loudness 0.5 --seed 3",
        "synth recordings -o world --model world:16000",
        "evaluate audio --ref recordings --gen copies --metrics toy_crest",
        "effect recordings -o driven --processor toy_drive",
        "effect recordings -o driven2 --model comp4c-graybox",
        "bench toy-16k --seconds 1 --threads 1 --runs 1 --no-memory",
        "info toy-16k",
    ):
        told = ondes(line).err.splitlines()
        lines = [text for text in told if "aaa-broken" in text or "left out" in text]
        assert len(lines) == len(set(lines)), line


def test_all_are_all_that_can_be_used(broken):
    from demo.library import find_entries

    assert {"wavehax-24k", "comp4c-graybox"} <= {entry.name for entry in find_entries()}
    assert "toy_crest" in expand_names(["all"])
    assert not {"bad_start", "bad_type"} & set(expand_names(["all"]))
    assert "toy_drive" in dict(PROCESSORS.items())


def refusal(ondes, line):
    """Run a command that is refused, and return its one error."""
    error = ondes(line, code=2).err
    told = [text for text in error.splitlines() if text.startswith("error: ")]
    assert len(told) == 1, error
    return told[0]


def test_what_is_broken_is_told_to_whoever_asks_for_it(broken, ondes):
    change = "train --config conf/vocoder.yaml --exp x data.feature_dir=null"
    for line, words in {
        f"{change} family=bad_start": "libtoy.so is missing",
        f"{change} family=lost": "'lost'",
        "train --config conf/effect.yaml --exp x family=lost_effect": "no_module_of_ours",
        f"{change} objective.name=bad_start": "libtoy.so is missing",
        f"{change} objective.losses.bad_start=1": "libtoy.so is missing",
        f"{change} objective.discriminators.bad_type={{}}": "expected a subclass of Discriminator",
        "train --config conf/effect.yaml --exp x objective.losses.bad_type=1": "expected a subclass of Module",
        "train --config conf/effect.yaml --exp x effect.processor=bad_type": "expected an instance of Processor",
        "effect recordings -o x --processor bad_start": "libtoy.so is missing",
        "evaluate audio --ref recordings --gen recordings --metrics bad_start": "libtoy.so is missing",
        "evaluate audio --ref recordings --gen recordings --metrics nothing": "expected a Metric",
        "prepare bad_start recordings x": "libtoy.so is missing",
        "prepare nothing recordings x": "expected a list of Utterance",
        "synth recordings -o x --model lost-baseline": "no_module_of_ours",
        "synth recordings -o x --model bad_type": "expected an instance of Baseline",
    }.items():
        assert words in refusal(ondes, line)


def test_what_fails_when_it_is_made_or_called_is_named(install, toy, ondes):
    places = {
        group: {name: f"failing:{part}" for name, part in points.items()} for group, points in FAILING_POINTS.items()
    }
    install("aaa-failing", places, {"failing": FAILING})
    ondes("prepare toy recordings data --dev 1 --test 1")
    change = "train --config conf/vocoder.yaml --exp x data.feature_dir=null"
    for line, words in {
        f"{change} family=raising": "family 'raising'",
        "train --config conf/effect.yaml --exp x family=raising_effect": "family 'raising_effect'",
        f"{change} objective.name=raising": "objective 'raising'",
        f"{change} objective.name=leaving": "objective 'leaving'",
        f"{change} objective.name=poor": "objective 'poor'",
        f"{change} objective.losses.raising=1": "loss 'raising'",
        f"{change} objective.losses.empty=1": "loss 'empty'",
        f"{change} objective.discriminators.raising={{}}": "discriminator 'raising'",
        f"{change} objective.discriminators.empty={{}}": "discriminator 'empty'",
        "train --config conf/effect.yaml --exp x objective.losses.raising=1": "effect loss 'raising'",
        "evaluate audio --ref recordings --gen recordings --metrics raising": "metric 'raising'",
        "prepare raising recordings x": "corpus reader 'raising'",
        "synth recordings -o x --model raising-baseline": "baseline 'raising-baseline'",
    }.items():
        assert f"{words} of the package 'aaa-failing'" in refusal(ondes, line)
