"""A small language model: a transformer decoder, its training, sampling, and measures of what it writes.

Flax and Optax are imported only here and in tasks/transformer.py, when a language model is used: they take long to
import.
"""

from .decoder import Decoder
from .decoding import log_likelihood, sample
from .ngrams import distinct_ngrams, repeated_ngrams, unigram_entropy
from .training import Training, fit

__all__ = [
    "Decoder",
    "Training",
    "distinct_ngrams",
    "fit",
    "log_likelihood",
    "repeated_ngrams",
    "sample",
    "unigram_entropy",
]
