"""Locate the weights of one network in a foreign checkpoint, and remove the wrappers around them.

Trainers nest a network's state dict below other keys (``model``, ``generator``, ``state_dict``, ``ema``), and prefix
the names in it (``module.``, ``_orig_mod.``, Lightning's ``model.``). A network is recognised by the names of its own
tensors, so no list of wrappers is needed: any prefix before these names is a wrapper.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vocoders.core.errors import CheckpointError
from vocoders.core.text import enumerate_some
from vocoders.core.training_checkpoint import describe_training_checkpoint, is_training_checkpoint

__all__ = ["REFERENCES", "Reference", "find_reference", "locate_state", "official_state"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """The signs by which the reference network of one family is recognised.

    Attributes:
        keys: regular expression of the names of its tensors.
        example: one of these names.
        options_module: module with ``convert_options``, which names the options that the weights do not determine; it
            is named in full, so that no file decides what is imported; ``None``: the weights determine everything.
    """

    keys: str
    example: str
    options_module: str | None = None


_TIERS = r"[dcu]_layers\.\d+(\.\d+)?\."
REFERENCES: dict[str, Reference] = {
    "wavehax": Reference(
        r"(stft|decomposer|(prior|cond|input|output)_(proj|norm))\..+|blocks\.\d+\.(gamma|(dwconv|norm|pwconv[12])\..+)",
        "blocks.0.dwconv.weight",
        "vocoders.wavehax.official",
    ),
    "periodwave": Reference(
        r"estimator\.(MelCond|mlp|mpg|period_emb|proj_layer)\..+",
        "estimator.MelCond.embed.weight",
        "vocoders.periodwave.official",
    ),
    "sashimi": Reference(
        rf"encoder\.(0\.)?weight|decoder\.(0\.)?output_transform\.\w+|(model\.)*(norm\..+|{_TIERS}(norm|layer|linear)\.(?!conv).+)",
        "c_layers.0.layer.output_linear.weight",
    ),
    "diffwave_sashimi": Reference(
        rf"(init_conv|final_conv|fc_t[12]|norm)\..+|{_TIERS}(fc_t|norm[12]|layer|ff|linear\.conv|upsample_conv2d|mel_conv)\..+",
        "init_conv.0.conv.weight_v",
    ),
    "signaltrain": Reference(
        r"(mpaec\.)?(dft_(analysis|synthesis)|aenc|phs_aenc)\..+",
        "mpaec.dft_analysis.conv_analysis_real.weight",
    ),
    "tcn": Reference(
        r"(gen\.\d+|output)\.(weight|bias)|blocks\.\d+\.(conv1|bn|film|relu|res)\..+",
        "blocks.0.conv1.weight",
        "effects.models.official",
    ),
    "recurrent": Reference(r"(lstm|linear)\.(weight|bias)\w*", "lstm.weight_ih_l0"),
}
"""By family, as in the registries."""

# Distribution, compilation and sharding insert these into keys, at any depth.
_WRAPPER_WORDS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
_WRAPPER_WORD = re.compile(rf"(?<![^.])(?:{'|'.join(_WRAPPER_WORDS)})\.")
_AVERAGE = re.compile(r"(^|_)(ema|swa|avg|averag\w*|shadow\w*)(_|\d|$)", re.IGNORECASE)
_COUNTERS = ("n_averaged", "decay", "num_updates")
_BUFFER = re.compile(r"(^|.*\.)(running_mean|running_var|num_batches_tracked)")
# Our Wavehax keeps the reference's names, and adds its statistics.
_OURS = "feature_mean"
_DEPTH = 5
# Fewer matching names than this may be chance.
_FEWEST = 3


@dataclass(frozen=True)
class _Place:
    """One network within a checkpoint: the keys that begin with ``prefix`` of the state dict at ``path``."""

    path: tuple[str, ...]
    prefix: str
    state: dict[str, Tensor]
    siblings: tuple[str, ...]
    unwrapped: tuple[str, ...]
    known: int

    @property
    def is_average(self) -> bool:
        words = (*self.path, *self.prefix.split("."))
        return "n_averaged" in (*self.state, *self.siblings) or any(_AVERAGE.search(word) for word in words)

    @property
    def name(self) -> str:
        place = ".".join(self.path)
        return f"{place} ({self.prefix}*)" if place and self.prefix else place or (f"{self.prefix}*")

    @property
    def weights(self) -> dict[str, Tensor]:
        return {key: value for key, value in self.state.items() if not self.is_average or key not in _COUNTERS}


def official_state(checkpoint: Any, family: str, source: str) -> dict[str, Tensor]:
    """Return the tensors of one family's network, under the names of its reference implementation.

    If the checkpoint contains a moving average of the weights, the average is taken. One log line lists everything that
    was unwrapped.

    Args:
        checkpoint: the result of :func:`~vocoders.core.official_file.read_official_checkpoint`.
        family: name in the registries.
        source: name of the checkpoint for messages.

    Raises:
        CheckpointError: if there are no such weights, or several networks of the family.
    """
    state, notes = locate_state(checkpoint, family, source)
    if notes:
        _logger.info("%s: %s", source, "; ".join(notes))
    return state


def locate_state(checkpoint: Any, family: str, source: str) -> tuple[dict[str, Tensor], list[str]]:
    """Do the work of :func:`official_state`, and return the log line's parts instead of logging them."""
    if is_training_checkpoint(checkpoint):
        raise CheckpointError(f"{source}: {describe_training_checkpoint(Path(source))}")
    places = _places(checkpoint, family)
    found = find_reference(checkpoint)
    if not places or (found not in (None, family) and _most(_places(checkpoint, found)) > _most(places)):
        raise CheckpointError(f"{source}: {_strangers(checkpoint, family, found)}")
    places = [place for place in places if 2 * place.known >= _most(places)]
    plain = _choose([place for place in places if not place.is_average], family, source)
    average = _choose([place for place in places if place.is_average], family, source)
    if any(_OURS in place.siblings for place in places):
        raise CheckpointError(
            f"{source}: these are the weights of a model of ondes; copy its whole folder, with config.json"
        )
    state = plain.weights if plain is not None else {}
    notes: list[str] = []
    if average is not None:
        # If the average has parameters alone, the buffers come from the ordinary weights.
        state = state | average.weights if average.weights.keys() < state.keys() else average.weights
        notes.append("the moving average of the weights is taken")
    elif (shadow := _shadow(checkpoint)) is not None:
        named = _name_shadow(shadow, state)
        count = f"{len(named)} of {len(state)} tensors"
        notes.append(
            f"the moving average in shadow_params is taken, named by the order of the weights ({count})"
            if named
            else "the moving average in shadow_params has no names, does not fit the weights' shapes and is left out"
        )
        state = state | named
    return state, notes + _describe(average or plain)


def find_reference(checkpoint: Any) -> str | None:
    """Return the family whose reference network a checkpoint contains, or ``None``."""
    scores = {family: max(_places(checkpoint, family), key=lambda p: p.known, default=None) for family in REFERENCES}
    known = {
        family: place.known
        for family, place in scores.items()
        if place is not None and place.known >= _FEWEST and 2 * place.known > len(place.state)
    }
    return max(known, key=lambda family: known[family]) if known else None


def _most(places: list[_Place]) -> int:
    return max((place.known for place in places), default=0)


def _places(checkpoint: Any, family: str) -> list[_Place]:
    """Return every network in a checkpoint that has names of ``family``."""
    pattern = re.compile(REFERENCES[family].keys)
    found = []
    for path, mapping in _state_dicts(checkpoint):
        state, unwrapped = _unwrap(mapping)
        known = _known_prefixes(state, pattern)
        for prefix, count in known.items():
            longer = tuple(other for other in known if other != prefix and other.startswith(prefix))
            keys = [key for key in state if key.startswith(prefix) and not (longer and key.startswith(longer))]
            inner = {key[len(prefix) :]: state[key] for key in keys}
            siblings = dict.fromkeys(key.split(".")[0] for key in sorted(state.keys() - set(keys)))
            found.append(_Place(path, prefix, inner, tuple(siblings), unwrapped, count))
    return found


def _known_prefixes(state: Mapping[str, Tensor], pattern: re.Pattern[str]) -> dict[str, int]:
    """Return the prefix of each network, with the number of names that follow it.

    A name may begin with a word that is a prefix elsewhere, so the prefix with the most names claims its names first.
    """
    starts = {key: [0, *(match.end() for match in re.finditer(r"\.", key))] for key in state}
    prefixes = {key: {key[:start] for start in starts[key] if pattern.fullmatch(key, start)} for key in state}
    found: dict[str, int] = {}
    while votes := Counter(prefix for those in prefixes.values() for prefix in those):
        best, count = min(votes.items(), key=lambda item: (-item[1], len(item[0])))
        if 2 * count < max(found.values(), default=0):
            break
        found[best] = count
        prefixes = {key: those for key, those in prefixes.items() if best not in those}
    return found


def _mappings(checkpoint: Any) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Yield every mapping in nested ones with its path, outermost first; each once, though it may contain itself."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), checkpoint)]
    seen = set()
    while waiting:
        path, node = waiting.pop()
        if not isinstance(node, Mapping) or len(path) > _DEPTH or id(node) in seen:
            continue
        seen.add(id(node))
        yield path, node
        waiting += reversed([((*path, str(key)), value) for key, value in node.items()])


def _state_dicts(checkpoint: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Yield every mapping of names to tensors, outermost first."""
    for path, node in _mappings(checkpoint):
        tensors = {key: value for key, value in node.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if tensors:
            yield path, tensors


def _unwrap(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Remove the words of wrappers from keys, except where two keys would become equal."""
    bare = {key: _WRAPPER_WORD.sub("", key) for key in state}
    count = Counter(bare.values())
    words = dict.fromkeys(word[:-1] for key in state if count[bare[key]] == 1 for word in _WRAPPER_WORD.findall(key))
    return {bare[key] if count[bare[key]] == 1 else key: value for key, value in state.items()}, tuple(words)


def _choose(places: list[_Place], family: str, source: str) -> _Place | None:
    if not places:
        return None
    first = places[0]
    different = [place for place in places if not _equal(place.state, first.state)]
    if different:
        names = ", ".join(place.name for place in [first, *different])
        raise CheckpointError(
            f"{source}: contains several networks of {family}: {names}; expected one; save the state_dict of one alone"
        )
    return first


def _equal(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return state.keys() == other.keys() and all(
        value.shape == other[key].shape and bool((value == other[key]).all()) for key, value in state.items()
    )


def _shadow(checkpoint: Any) -> list[Tensor] | None:
    for _, node in _mappings(checkpoint):
        shadow = node.get("shadow_params")
        if isinstance(shadow, list | tuple) and shadow and all(isinstance(value, Tensor) for value in shadow):
            return list(shadow)
    return None


def _name_shadow(shadow: list[Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name a list of averages after the weights, which have the same order; empty if the shapes leave a choice."""
    keys = [key for key, value in state.items() if value.is_floating_point() and not _BUFFER.fullmatch(key)]
    first = _align(shadow, keys, state)
    last = _align(shadow[::-1], keys[::-1], state)
    if first is None or last is None or first != last[::-1]:
        return {}
    return dict(zip(first, shadow, strict=True))


def _align(shadow: list[Tensor], keys: list[str], state: Mapping[str, Tensor]) -> list[str] | None:
    rest = iter(keys)
    names = [next((key for key in rest if state[key].shape == value.shape), None) for value in shadow]
    return None if None in names else [name for name in names if name is not None]


def _describe(place: _Place | None) -> list[str]:
    if place is None:
        return []
    notes = [f"weights are in {'.'.join(place.path)}"] if place.path else []
    if place.unwrapped:
        notes.append(f"{', '.join(repr(word + '.') for word in place.unwrapped)} taken out of their names")
    if place.prefix:
        notes.append(f"'{place.prefix}' taken off their names")
    if place.siblings:
        shown = ", ".join(place.siblings[:6]) + (", ..." if len(place.siblings) > 6 else "")
        notes.append(f"also found and left out: {shown}")
    return notes


def _strangers(checkpoint: Any, family: str, found: str | None) -> str:
    """Describe the content of a checkpoint without weights of ``family``."""
    if found is not None:
        return f"contains weights of {found}, not of {family}; pass --family {found}"
    if not isinstance(checkpoint, Mapping):
        return f"contains no weights but {type(checkpoint).__name__}; expected a state dict, or one below other keys"
    states = list(_state_dicts(checkpoint))
    if not states:
        if _shadow(checkpoint) is not None:
            return "contains averaged weights without names (shadow_params); save a state dict with them"
        keys = ", ".join(map(str, list(checkpoint)[:6]))
        return f"contains no weights (keys: {keys or 'none'}); expected a state dict, or one below other keys"
    path, state = max(states, key=lambda item: len(item[1]))
    place = f" in {'.'.join(path)}" if path else ""
    shown = enumerate_some(list(state), 4)
    known = f"no {REFERENCES[family].example} or similar, nor those of another known family"
    return f"contains no weights of {family} ({known}); found{place}: {shown}"
