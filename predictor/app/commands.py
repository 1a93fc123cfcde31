"""The predictor's subcommands, as the command line finds them."""

from predictor.app.collect_command import collect
from predictor.app.explain_node_command import explain
from predictor.app.forecast_command import forecast
from predictor.app.history_command import history
from predictor.app.recommend_command import recommend
from predictor.app.serve_command import serve

commands = [collect, forecast, recommend, explain, history, serve]
