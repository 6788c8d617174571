"""Results as labelled arrays: statistics over seeds, a mergeable sketch, and the diagnosis of collapse."""
