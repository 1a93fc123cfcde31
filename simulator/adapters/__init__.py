"""What the simulator writes for people: pages that need nothing else."""
