"""Settings, loop and commands; none yet."""
