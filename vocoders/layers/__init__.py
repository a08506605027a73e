"""Network layers in plain torch, one idea per file."""
