"""Pure: history in, forecasts and recommendations out."""
