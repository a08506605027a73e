"""What the models are called and where they are; nothing here imports torch."""

from vocoders.core.family import Family
from vocoders.registry import Baseline, VocoderFamily

VOCODER = VocoderFamily(
    name="toy",
    title="Toy vocoder",
    model="ondes_toy.vocoder:ToyVocoder",
    configs="ondes_toy.vocoder:VARIANTS",
    options="ondes_toy.options:ToyOptions",
)
GENERATOR = VocoderFamily(
    name="toy_noise",
    title="Toy noise",
    model="ondes_toy.generator:ToyNoise",
    options="ondes_toy.options:ToyOptions",
    kind="generator",
)
EFFECT = Family(name="toy_tube", title="Toy tube", model="ondes_toy.effect:ToyTube")
BASELINE = Baseline(
    name="random-phase",
    title="Random phase",
    system="ondes_toy.baseline:RandomPhase",
    options="ondes_toy.options:ToyOptions",
)
