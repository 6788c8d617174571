"""A small language model: a transformer decoder, its training, what is drawn from it, and measures of that.

Flax and Optax are imported here and in the language task only; they are heavy, so the package itself does not import
this folder.
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
