# LibriTTS-R: the sentences of LibriTTS with restored sound, in its layout; the archives have other names.
# shellcheck shell=bash disable=SC2034

# Sourced after libritts_corpus.sh.
corpus_dir="$recipe/downloads/LibriTTS_R"
url=https://www.openslr.org/resources/141
archive_dash=_
