"""Training, evaluation and the command line, with losses, discriminators, data sets and metrics."""
