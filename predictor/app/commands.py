"""The predictor's subcommands, as the command line finds them."""

from predictor.app.collect_command import collect
from predictor.app.explain_node_command import explain
from predictor.app.forecast_command import forecast
from predictor.app.recommend_command import recommend

commands = [collect, forecast, recommend, explain]
