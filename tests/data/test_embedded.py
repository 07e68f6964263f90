"""The embedded dataset does not change unnoticed: hashes of its values, as first published.

NumPy's exponential differs in its last digit between processors (with and without AVX2, for
instance), so the hashes of signal, coverage and expression are required only where that function
gives the recorded bytes. Elsewhere weighted sums over all values must agree to 1e-6. Rounding
before hashing would not help: of a million values some always lie next to a rounding boundary.
"""

from __future__ import annotations

import numpy as np
import pytest

from chromviz import open_cell, provenance

#: Hash of the exponential of 100,001 numbers, as float32 and float64, where the table was made.
EXPONENTIAL = "db38d06cd7aa8b36e2006d86b749e9d281f2b648494f1fb1619a357eb67d25da"
#: SHA-256 of each variable's values (:func:`chromviz.provenance.hash_arrays`).
HASHES = {
    ("E003", "signal"): "a5d3aeceeb1dfdea03008e680d72c0aefb4c5a096f2f1313299510b7f14aed52",
    ("E003", "coverage"): "7d48b45c3e8263c82c1b747fb23397d48b08fa5f0e032e68c033124b2011a4df",
    ("E003", "expression"): "c37af73f8be1716271b801120ed309e5f82275e598a658a4aee64fd722a04470",
    ("E003", "label"): "fcfac57effd1ab29de706f3db6f16e0cc2afa014a744d64a608e27b577e202a1",
    ("E003", "split"): "8b6516d1db9888c6a8258da911628d6471ce1633e0121b645b51b31ade65d017",
    ("E116", "signal"): "3789c81d4eb71e7876e076172d03be11ad4dfbb2d489658c6ea77f661552e75b",
    ("E116", "coverage"): "734f8c2a3736f293925dcafa8325065057a36ed197dc62e9ad6dccc40d0069ab",
    ("E116", "expression"): "72608042027f1457f98a29b0b83695f63faf6e76109ed012f0a0cc9050cc923a",
    ("E116", "label"): "dad4c6712b214ce8b48d2d072c166c2ba93ede095034581f112c8916a1325f45",
    ("E116", "split"): "8b6516d1db9888c6a8258da911628d6471ce1633e0121b645b51b31ade65d017",
    ("E123", "signal"): "127b2ec9a1d4211ba6f82f27cce868b4c8beade11cef0420d31e00fd4ceed803",
    ("E123", "coverage"): "f964acfa522eabb12bf8bade6d21d1b7dbbdbab5902f453d9031a2412c2b8da6",
    ("E123", "expression"): "0172d7e6b767c67e66c0a12700701cba3c3a775937fb7799a7f07cfe28b342df",
    ("E123", "label"): "a3505c4f84cfac53524a66da7215b03b75b73c6316fb5777ba33884915d157c3",
    ("E123", "split"): "8b6516d1db9888c6a8258da911628d6471ce1633e0121b645b51b31ade65d017",
}
WEIGHTED_SUMS = {
    ("E003", "signal"): 1891126.9885484246,
    ("E003", "coverage"): 102788.48293958456,
    ("E003", "expression"): 4886357.488046083,
    ("E116", "signal"): 425773.7675350098,
    ("E116", "coverage"): 121738.32140214682,
    ("E116", "expression"): 3697295.913433088,
    ("E123", "signal"): 426118.2064228206,
    ("E123", "coverage"): 122788.29221296236,
    ("E123", "expression"): 4806713.072379359,
}


def exponential_hash() -> str:
    numbers = np.linspace(-20, 20, 100_001)
    kinds = (np.float32, np.float64)
    return provenance.hash_arrays({kind.__name__: np.exp(numbers.astype(kind)) for kind in kinds})


@pytest.mark.parametrize(("cell", "name"), HASHES)
def test_embedded_values_are_those_published(cell: str, name: str) -> None:
    values = open_cell(cell)[name].values
    if (cell, name) in WEIGHTED_SUMS:
        numbers = np.nan_to_num(values).ravel().astype(np.float64)
        weights = np.random.default_rng(0).random(numbers.size)
        assert numbers @ weights == pytest.approx(WEIGHTED_SUMS[cell, name], rel=1e-6)
        if exponential_hash() != EXPONENTIAL:
            return
    assert provenance.hash_arrays({name: values}) == HASHES[cell, name]
