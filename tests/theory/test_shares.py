import numpy as np

import collapsejax as cj
from collapsejax.theory.shares import real_share


def test_shares_of_real_data():
    t = np.arange(1, 9)
    np.testing.assert_allclose(real_share(cj.Replace(), 7, 8), t == 1)
    np.testing.assert_allclose(real_share(cj.Accumulate(), 7, 8), 1 / t)
    np.testing.assert_allclose(real_share(cj.AccumulateSubsample(), 7, 8), 1 / t)
    np.testing.assert_allclose(real_share(cj.FreshData(3), 7, 8)[1:], 0.3)
    np.testing.assert_allclose(real_share(cj.Weighted(0.2), 7, 8)[1:], 0.2)
    np.testing.assert_allclose(real_share(cj.Window(3), 7, 8), [1, 1 / 2, 1 / 3, 0, 0, 0, 0, 0])
