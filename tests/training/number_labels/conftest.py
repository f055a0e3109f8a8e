"""A model of a number, its rows and a candidate, trained once."""

import pytest

from almanac.training.train import train_candidate
from tests.training.number_labels.load import HOURS, LOAD, NOW, load_yaml, make_load


@pytest.fixture(scope="session")
def model():
    return load_yaml(LOAD)


@pytest.fixture(scope="session")
def frame():
    return make_load(HOURS)


@pytest.fixture(scope="session")
def candidate(model, frame):
    return train_candidate(model, frame, now=NOW)
