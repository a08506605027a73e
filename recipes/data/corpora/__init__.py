"""Layouts of well-known corpora: each reader lists the utterances of one, unchecked and without durations."""

from collections.abc import Callable
from pathlib import Path

from recipes.data.corpora.folder import find_folder
from recipes.data.corpora.manifests import find_huggingface, find_lhotse
from recipes.data.corpora.speech import find_libritts, find_ljspeech, find_vctk
from recipes.data.kaldi import Utterance
from vocoders.core.plugins import Registry

__all__ = ["CORPORA", "find_folder", "find_huggingface", "find_lhotse", "find_libritts", "find_ljspeech", "find_vctk"]

#: Functions from the folder of a corpus to its utterances, for `ondes prepare NAME`.
CORPORA: Registry[Callable[[Path], list[Utterance]]] = Registry(
    "corpus reader",
    "ondes.corpora",
    {"folder": find_folder, "libritts": find_libritts, "ljspeech": find_ljspeech, "vctk": find_vctk},
    reserved=lambda: ("pairs", "capture", "shards", "lhotse", "huggingface"),
)
