"""The server, and the main job that feeds it."""
