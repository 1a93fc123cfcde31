"""The agent's half that speaks to Kubernetes and to people; the fast loop never waits for it."""
