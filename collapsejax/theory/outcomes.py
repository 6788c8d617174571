"""Categorical models over K outcomes: survivors, fixation, and the law of single frequencies.

n outcomes are drawn per generation, t = 1 ... G, t = 1 fitted to real data alone; `probs` (K,) are the true
probabilities. Replace is the Wright-Fisher model of population genetics.

Derivations. Ancestors: under replace, trace the n draws of generation t back to their ancestors among the n real draws,
generation by generation: a distinct ancestors throw a balls into n boxes, and b boxes are occupied. The outcomes of the
real draws being independent of all this, outcome k is gone with probability E (1 - p_k)^A, A the number of real
ancestors, and all ancestors agree with probability sum_k p_k^A. Where data accumulate, nothing that was drawn once is
lost from the pool.

Single outcomes: the number of times that one outcome has been drawn is a Markov chain of its own, as models and draws
treat all others alike: under replace Bin(n, c/n) follows c; under accumulate Bin(n, c/N) is added to c, N = n t; under
accumulate-subsample first a hypergeometric number q of the n rows drawn from the pool shows the outcome, and Bin(n,
q/n) is added to c. A sum over outcomes of any function of their frequencies needs only the sum of their laws, which one
pass of the chain carries. The cost is O(G n^2) under replace, O(G^2 n^2) under accumulate and O(G^2 n^3), with room for
O(G n^2) numbers, under accumulate-subsample.

With real rows the chain of outcome k depends on its p_k. In the fresh data loop a model that saw the outcome c times
among N rows is followed by Bin(n, c/N) + Bin(m, p_k) times among n + m, the two being independent: a chain for each
distinct probability, of cost O(G n (n + m)). With weights the model gives the outcome w r/n + (1 - w) j/n, r ~ Bin(n,
p_k) being independent of j, and the next j is binomial with that probability: a chain of j, of cost O(G n^3) with room
for n^3 numbers. Under augmentation r stays and (r, j) is a Markov chain with (r + j) / (2n) as the model's probability;
as its step does not depend on p_k, one pass carries the sum of the laws, of cost O(G n^3).

Every function raises ValueError for `probs` that are no probabilities, and for sizes below 1.

Published: the decay of heterozygosity and fixation in the Wright-Fisher model in Ewens (2004), Mathematical Population
Genetics.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import entr, gammaln, xlog1py, xlogy

from ..core.arguments import check_count, checked_probs


class Outcomes(NamedTuple):
    """Expected entropy of the model in nats, and number of outcomes that have a positive probability, each (G,)."""

    entropy: np.ndarray
    survivors: np.ndarray


def replace_survivors(probs: np.ndarray, num_samples: int, num_generations: int) -> np.ndarray:
    """Expected outcomes of positive probability, (G,): the sum of `replace_survival` over outcomes."""
    return replace_survival(probs, num_samples, num_generations).sum(axis=1)


def replace_survival(probs: np.ndarray, num_samples: int, num_generations: int) -> np.ndarray:
    """Probability that each outcome is left, (G, K): 1 - E (1 - p_k)^A_t, A_t the number of real ancestors."""
    probs = _checked(probs, num_samples, num_generations)
    lost = (1 - probs) ** np.arange(num_samples + 1)[:, None]
    occupied, ancestors = _occupied(num_samples), np.eye(num_samples + 1)[num_samples]
    survival = np.empty((num_generations, len(probs)))
    for t in range(num_generations):
        survival[t] = 1 - ancestors @ lost
        ancestors = ancestors @ occupied
    return survival


def pool_survivors(probs: np.ndarray, num_samples: int) -> float:
    """Expected outcomes in the pool, in every generation: sum_k 1 - (1 - p_k)^n. Under accumulate it is the model."""
    return float(np.sum(1 - (1 - _checked(probs, num_samples)) ** num_samples))


def fixation_time(probs: np.ndarray, num_samples: int) -> float:
    """Mean of the first generation under replace whose model has one outcome left.

    1 + u(n), where u(a) = 1 - sum_k p_k^a + sum_b O(a, b) u(b), u(1) = 0; O(a, b) is the probability that a balls
    occupy b of n boxes.
    """
    probs = _checked(probs, num_samples)
    apart = 1 - np.sum(probs[:, None] ** np.arange(2, num_samples + 1), axis=0)
    later = np.eye(num_samples - 1) - _occupied(num_samples)[2:, 2:]
    return float(1 + np.linalg.solve(later, apart)[-1]) if num_samples > 1 else 1.0


def fixation_time_asymptote(probs: np.ndarray, num_samples: int) -> float:
    """-2 n sum_k (1 - p_k) log(1 - p_k): `fixation_time` for large n, 7 % above it at n = 12 and 0.5 % at n = 400.

    For two outcomes these are the mean times of fixation and loss of Kimura and Ohta (1969), Genetics 61, weighted by
    their probabilities.
    """
    left = 1 - _checked(probs, num_samples)
    return float(2 * num_samples * np.sum(entr(left)))


def replace_outcomes(probs: np.ndarray, num_samples: int, num_generations: int) -> Outcomes:
    """Under replace; by the chain of single counts."""
    probs = _checked(probs, num_samples, num_generations)
    n, law, laws = num_samples, _first_law(probs, num_samples), []
    step = _binomial(n, np.arange(n + 1) / n)
    for _ in range(num_generations):
        laws.append(law)
        law = law @ step
    return _outcomes(laws)


def accumulate_outcomes(probs: np.ndarray, num_samples: int, num_generations: int) -> Outcomes:
    """Under accumulate; by the chain of single counts in the pool."""
    probs = _checked(probs, num_samples, num_generations)
    n, law, laws = num_samples, _first_law(probs, num_samples), []
    for _ in range(num_generations):
        laws.append(law)
        law = _add(law, _binomial(n, np.arange(len(law)) / (len(law) - 1)))
    return _outcomes(laws)


def subsample_outcomes(probs: np.ndarray, num_samples: int, num_generations: int) -> Outcomes:
    """Under accumulate-subsample, of the model and not of its pool; by the chain of single counts in the pool."""
    probs = _checked(probs, num_samples, num_generations)
    n, law, laws = num_samples, _first_law(probs, num_samples), []
    new = _binomial(n, np.arange(n + 1) / n)
    for _ in range(num_generations):
        drawn = _hypergeometric(len(law) - 1, n)
        laws.append(law @ drawn)
        law = _add(law, drawn @ new)
    return _outcomes(laws)


def fresh_outcomes(probs: np.ndarray, num_samples: int, num_fresh: int, num_generations: int) -> Outcomes:
    """In the fresh data loop with `num_fresh` (m) new real rows; by a chain of counts for each distinct probability."""
    probs = _checked(probs, num_samples, num_generations)
    n, (values, multiplicity), laws = num_samples, np.unique(probs, return_counts=True), []
    real, each = _binomial(num_fresh, values), _binomial(n, values)
    for _ in range(num_generations):
        laws.append(multiplicity @ each)
        rows = each.shape[1] - 1
        synthetic, each = each @ _binomial(n, np.arange(rows + 1) / rows), np.zeros((len(values), n + num_fresh + 1))
        for j in range(num_fresh + 1):
            each[:, j : j + n + 1] += real[:, j, None] * synthetic
    return _outcomes(laws)


def weighted_outcomes(probs: np.ndarray, real_weight: float, num_samples: int, num_generations: int) -> Outcomes:
    """With new real rows of weight w and as many synthetic rows of weight 1 - w; by chains of synthetic counts."""
    probs = _checked(probs, num_samples, num_generations)
    n, (values, multiplicity) = num_samples, np.unique(probs, return_counts=True)
    share = np.arange(n + 1) / n
    model = np.minimum(real_weight * share[:, None] + (1 - real_weight) * share, 1.0)  # of real and synthetic counts
    real, step = _binomial(n, values), _binomial(n, model.ravel())
    first = multiplicity @ real
    entropy, survivors = [first @ entr(share)], [first[1:].sum()]
    synthetic = real @ _binomial(n, share)
    for _ in range(1, num_generations):
        joint = (real[:, :, None] * synthetic[:, None, :]).reshape(len(values), -1)
        law = multiplicity @ joint
        entropy.append(law @ entr(model.ravel()))
        survivors.append(law @ (model.ravel() > 0))
        synthetic = joint @ step
    return Outcomes(np.array(entropy), np.array(survivors))


def augment_outcomes(probs: np.ndarray, num_samples: int, num_generations: int) -> Outcomes:
    """In the synthetic augmentation loop; by the chain of real and synthetic counts."""
    probs = _checked(probs, num_samples, num_generations)
    n, real = num_samples, _first_law(probs, num_samples)
    laws, step = [real], _binomial(n, np.arange(2 * n + 1) / (2 * n))
    joint, total = real[:, None] * _binomial(n, np.arange(n + 1) / n), np.add.outer(np.arange(n + 1), np.arange(n + 1))
    for _ in range(1, num_generations):
        laws.append(np.bincount(total.ravel(), joint.ravel()))
        joint = np.stack([joint[r] @ step[r : r + n + 1] for r in range(n + 1)])
    return _outcomes(laws)


def _checked(probs: np.ndarray, num_samples: int, num_generations: int = 1) -> np.ndarray:
    check_count("num_samples", num_samples)
    check_count("num_generations", num_generations)
    return checked_probs(probs)


def _outcomes(laws: list[np.ndarray]) -> Outcomes:
    """From the laws of counts 0 ... N of every generation, summed over outcomes."""
    entropy = [law @ entr(np.arange(len(law)) / (len(law) - 1)) for law in laws]
    return Outcomes(np.array(entropy), np.array([law[1:].sum() for law in laws]))


def _first_law(probs: np.ndarray, num_samples: int) -> np.ndarray:
    """Law of the count of an outcome among the real data, summed over outcomes, (n + 1,)."""
    values, multiplicity = np.unique(probs, return_counts=True)
    return multiplicity @ _binomial(num_samples, values)


def _add(law: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Law of c + j, where c has `law` (N + 1,) and j given c has the law new[c], (N + 1, n + 1)."""
    joint = law[:, None] * new
    added = np.zeros(len(law) + new.shape[1] - 1)
    for j in range(new.shape[1]):
        added[j : j + len(law)] += joint[:, j]
    return added


def _binomial(trials: int, probs: np.ndarray) -> np.ndarray:
    """Probabilities of 0 ... n successes, (len(probs), n + 1)."""
    j, p = np.arange(trials + 1), np.asarray(probs, float)[:, None]
    return np.exp(_log_choose(trials, j) + xlogy(j, p) + xlog1py(trials - j, -p))


def _hypergeometric(total: int, drawn: int) -> np.ndarray:
    """Probabilities of 0 ... n marked rows among n drawn from N of which c are marked, (N + 1, n + 1)."""
    marked, j = np.arange(total + 1)[:, None], np.arange(drawn + 1)
    log_ways = _log_choose(marked, j) + _log_choose(total - marked, drawn - j)
    return np.exp(log_ways - _log_choose(total, drawn))


def _log_choose(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    """Log of the binomial coefficient for 0 <= k; -inf for k > n, where a gamma function has its pole."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def _occupied(boxes: int) -> np.ndarray:
    """Probabilities that a balls, thrown independently, occupy b of n boxes, (n + 1, n + 1) by a and b."""
    law = np.zeros((boxes + 1, boxes + 1))
    law[0, 0] = 1
    b = np.arange(boxes + 1)
    for a in range(boxes):
        law[a + 1] = law[a] * b / boxes
        law[a + 1, 1:] += law[a, :-1] * (boxes - b[:-1]) / boxes
    return law
