"""What is no number, or too large for what it counts, is refused in one short line that says how to mend it."""

import numpy as np
import pytest

from collapsejax.core.arguments import (
    MOST,
    check_count,
    check_number,
    check_positive,
    check_seed,
    check_share,
    check_spread,
    shown,
)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (check_count, 0, "n=0: must be at least 1"),
        (check_count, True, "n=True: must be a whole number"),
        (check_count, 2.0, "n=2.0: must be a whole number"),
        (check_count, 2**31, "n=2147483648: must be at most 2147483647"),
        (check_count, 10**5000, r"n=about 2\*\*16610: must be at most 2147483647"),
        (check_count, "9" * 10**6, r"n='9{59}\.\.\. \(1000002 characters\): must be a whole number"),
        (check_number, 10**400, r"n=about 2\*\*1329: is beyond what a float can hold; use a smaller number"),
        (check_number, 1j, "n=1j: must be a number"),
        (check_number, [1.0], r"n=\[1.0\]: must be a number"),
        (check_positive, 1e300, r"n=1e\+300: must lie between 1e-30 and 1e30"),
        (check_positive, np.inf, "n=inf: must be a finite number above 0"),
        (check_spread, 1e300, r"n=1e\+300: must be at most 1e15, or float32 loses it"),
        (check_spread, np.nan, "n=nan: must be a finite number of at least 0"),
        (check_spread, -1, "n=-1: must be a finite number of at least 0"),
        (check_share, 10**400, "n=.*: is beyond what a float can hold"),
        (check_share, np.nan, "n=nan: must lie between 0 and 1"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or shown(value),
)
def test_refused(check, value, message):
    with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
        check("n", value)


def test_accepted():
    check_count("n", MOST)
    check_count("n", np.int64(3))
    check_seed(2**32 - 1)
    for value in (0, 1e15, np.float32(2.5), np.int8(3)):
        check_spread("n", value)
    with pytest.raises(ValueError, match="seed=4294967296: must be at most 4294967295"):
        check_seed(2**32)


def test_values_are_shown_short():
    assert [shown(value) for value in (3, 2.5, "a", None, np.float32(0.5))] == ["3", "2.5", "'a'", "None", "0.5"]
    assert all(len(shown(value)) < 90 for value in (10**9999, -(10**9999), "a" * 10**6, [0] * 10**6))
