"""The rooms of the house, as the tests of the house itself expect them."""

ROOMS = (
    "slacktide",
    "predictor",
    "scheduler",
    "qos_controller",
    "federation",
    "admission",
    "simulator",
    "dashboard",
)
