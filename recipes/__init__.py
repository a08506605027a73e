"""Training, evaluation and the command line: the only place that knows losses, discriminators, data sets and metrics."""
