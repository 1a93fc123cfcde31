"""Usage history to profiles, recommendations and reclaimable forecasts, each with its reason."""
