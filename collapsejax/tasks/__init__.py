"""Tasks: families of models. A file each; they know nothing of one another."""
