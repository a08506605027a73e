"""Training, evaluation and the command line: all that knows losses, discriminators, data sets and metrics."""
