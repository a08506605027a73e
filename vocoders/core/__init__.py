"""Foundations: errors, configuration, audio files, chunking, model folders, import of reference checkpoints."""
