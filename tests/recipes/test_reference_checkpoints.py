"""Reference weights of every family convert from whatever was put around them, weight normalisation on or off."""

import pytest
import torch
from oracle import oracle_folder
from safetensors.torch import load_file, save_file

from recipes.families import find_family
from vocoders.core.model_advice import advise_on_checkpoint

FOLDER = oracle_folder()
FILES = {
    "periodwave": "periodwave/base_small",
    "sashimi": "sashimi/sashimi_small",
    "diffwave_sashimi": "sashimi/diffwave_sashimi_cond",
    "wavehax": "wavehax/gen_wavehax_v1",
    "signaltrain": "effects/signaltrain_small",
    "tcn": "effects/microtcn_tcn300_causal",
    "recurrent": "effects/microtcn_lstm32",
}
OPTIONS = {
    "periodwave": {"config": FOLDER / "periodwave/ckpt_small/config.json"},
    "wavehax": {"variant": "v1", "stats": "identity"},
    "signaltrain": {"variant": "old_quarter"},
    "tcn": {"variant": "tcn_300_causal"},
}
pytestmark = pytest.mark.skipif(not (FOLDER / "periodwave").is_dir(), reason=f"no tensors in {FOLDER}")


@pytest.fixture(scope="module", params=FILES)
def reference(request):
    """Family and weights."""
    tensors = load_file(FOLDER / f"{FILES[request.param]}.safetensors")
    return request.param, {key.removeprefix("w."): value for key, value in tensors.items() if key.startswith("w.")}


def prefixed(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def fused(state):
    """Weights as they are after weight normalisation was removed."""
    state = dict(state)
    for key in [key for key in state if key.endswith("weight_g")]:
        magnitude, direction = state.pop(key), state.pop(f"{key[:-1]}v")
        state[key.removesuffix("_g")] = torch._weight_norm(direction, magnitude, 0)
    return state


def renamed(state):
    """Weights as torch names them since 2.1."""
    names = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    ends = {key: next((end for end in names if key.endswith(end)), None) for key in state}
    return {key.removesuffix(end) + names[end] if (end := ends[key]) else key: state[key] for key in state}


def write(kind, state, path):
    if kind == "safetensors":
        save_file({key: value.contiguous() for key, value in prefixed("module._orig_mod.", state).items()}, path)
        return
    torch.save(
        {
            "bare": state,
            "lightning": {"state_dict": prefixed("net.", state) | {"loss.weight": torch.ones(1)}, "epoch": 1},
            "nested": {"model": {"generator": prefixed("_orig_mod.module.", state)}, "steps": 1},
            "average": {"model": {key: value + 1 for key, value in state.items()}, "ema": prefixed("module.", state)},
            "new names": renamed(state),
            "no weight norm": {"params": fused(state)},
        }[kind],
        path,
    )


def convert(family, path):
    return find_family(family).convert(path, **OPTIONS.get(family, {}))


def weights(model):
    """All parameters, with normalised weights multiplied out."""
    found = {name: value for name, value in model.state_dict().items() if "parametrizations" not in name}
    for name, module in model.named_modules():
        if torch.nn.utils.parametrize.is_parametrized(module):
            found[f"{name}.weight"] = module.weight.detach()
    return found


@pytest.mark.parametrize("kind", ["lightning", "nested", "average", "new names", "no weight norm", "safetensors"])
def test_wrapped_weights_give_the_same_model(reference, kind, tmp_path):
    family, state = reference
    for name in ("bare", kind):
        write(name, state, tmp_path / f"{name}.pt")
    expected = weights(convert(family, tmp_path / "bare.pt"))
    found = weights(convert(family, tmp_path / f"{kind}.pt"))
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6)


def test_the_advised_command_names_the_family(reference, tmp_path):
    family, state = reference
    advice = advise_on_checkpoint(tmp_path / "c.pt", {"model": prefixed("module.", state)})
    assert f"ondes convert {tmp_path / 'c.pt'} --family {family} " in advice
