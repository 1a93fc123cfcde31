"""The scheduler's subcommands, as the command line finds them."""

from scheduler.app.serve_command import serve_group

commands = [serve_group]
