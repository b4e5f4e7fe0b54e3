"""The command line: parse, call, show. Everything heavy is imported by the command that needs it."""
