"""A model of classes, its rows and a candidate, trained once."""

import pytest

from almanac.training.train import train_candidate
from tests.training.class_labels.sky import HOURS, NOW, make_sky, sky


@pytest.fixture(scope="session")
def model():
    return sky()


@pytest.fixture(scope="session")
def frame():
    return make_sky(HOURS)


@pytest.fixture(scope="session")
def candidate(model, frame):
    return train_candidate(model, frame, now=NOW)
