"""Data: Kaldi directories, corpus preparation, feature cache, data sets and samplers."""
