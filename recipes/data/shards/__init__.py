"""Training sets as shards: tar files of WebDataset, which are read from front to back.

A folder of shards contains ``shard-000000.tar`` ..., the list ``utterances.tsv`` and, written last, ``shards.json``.
"""
