"""Plain training loops that checkpoint and resume."""
