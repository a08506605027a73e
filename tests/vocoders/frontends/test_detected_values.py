"""What values of features say about their convention."""

import numpy as np
import pytest

from vocoders.frontends.detected_values import conventions_of
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_fit import AffineFit, FeatureValues


@pytest.mark.parametrize("offset", [0.0, -10.0])
def test_a_poor_fit_has_a_floor_too(offset: float) -> None:
    analysis = MelConvention.from_dict({"mel": {"preset": "hifigan_22k"}})
    bands = analysis.mel.n_mels
    values = np.random.default_rng(0).standard_normal((bands, 60))
    values[:, :20] = values.min()
    fit = AffineFit(np.full(bands, 1e-4), np.full(bands, offset), per_band=False, global_db=0.0, per_band_db=0.0)
    found = conventions_of(analysis, fit, False, FeatureValues(values, 0))
    assert all(0 < each.mel.floor < np.inf for each in found)
