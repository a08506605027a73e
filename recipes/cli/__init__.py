"""The `ondes` command: one small file for each subcommand."""
