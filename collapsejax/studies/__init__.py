"""Published studies: what is swept, its figures, and its finding."""
