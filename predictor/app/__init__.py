"""The predictor's commands and loops."""
