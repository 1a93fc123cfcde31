"""The real agent over the loop that does its worst: `python -m bench._agent_worst SETTINGS`."""

from __future__ import annotations

from qos_controller.app.agent_process import main

if __name__ == "__main__":
    main(("-m", "bench._agent_worst_loop"))
