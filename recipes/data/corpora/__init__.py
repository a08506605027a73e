"""Layouts of well-known corpora: each ``find_*`` lists the utterances of one, unchecked and without durations."""

from recipes.data.corpora.folder import find_folder
from recipes.data.corpora.libritts import find_libritts
from recipes.data.corpora.ljspeech import find_ljspeech
from recipes.data.corpora.vctk import find_vctk

__all__ = ["find_folder", "find_libritts", "find_ljspeech", "find_vctk"]
