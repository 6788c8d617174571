"""Random variates, matrix factors and elementary functions in float32, written so that XLA fuses them."""
