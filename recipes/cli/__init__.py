"""The `ondes` command: one file per subcommand."""
