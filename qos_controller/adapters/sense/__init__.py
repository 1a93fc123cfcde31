"""What the node tells: each file here reads one signal, and says what reading it costs."""
