"""How a room answers over HTTP: who may ask, and how a server begins and ends."""
