"""Fixtures: development data where it is found, a tiny trained model, its bundle."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from script_server import Scripts
from tiny import PAIRS, ROOT, make_tiny_model

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.models import Vocabulary

# No test asserts time, so neither does hypothesis: on a busy machine an example takes as long as it takes.
# Examples are the same in every run, so that a pass of the tests means the same everywhere. To look for new ones, and
# to put what they find into the test as an @example: HYPOTHESIS_PROFILE=search make test-fast
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "repeatable")
settings.load_profile(PROFILE)
if PROFILE == "repeatable":
    # hypothesis also draws the constants of those modules of ours that are imported so far, and those differ with the
    # tests that ran before in the same process: without them an example depends on its test alone.
    assert callable(providers._get_local_constants)
    providers._get_local_constants = lambda: providers._local_constants

# A shell that runs the tests in the background lets them ignore SIGINT, and so every server that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's directory."""
    return ROOT


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """Real data sets for development; not part of the project."""
    directory = Path(os.environ.get("ERNIE_TOOLKIT_DEV_DATA", ROOT.parent / "shared" / "data"))
    if not directory.is_dir():
        pytest.skip(f"no development data in {directory} (set ERNIE_TOOLKIT_DEV_DATA)")
    return directory


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """The sample's vocabulary."""
    from ernie_toolkit.data.sample import sample_vocab

    return Vocabulary(tuple(sample_vocab()))


@pytest.fixture(scope="session")
def afqmc_sample() -> DataSet:
    """Two hundred training rows and a hundred dev rows of the AFQMC-style sample."""
    limits = {"train": 200, "dev": 100, "test": 20}
    return load_dataset("afqmc", data_source="sample", splits=("train", "dev", "test"), limits=limits)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary, afqmc_sample: DataSet) -> Path:
    """A saved tiny model for two labels, untrained but with a bias that makes it give both; read only."""
    import numpy as np

    from ernie_toolkit.models import save_model
    from ernie_toolkit.session import Session
    from ernie_toolkit.training import predict_logits

    directory = tmp_path_factory.mktemp("model") / "tiny"
    loaded = make_tiny_model(vocabulary, ("0", "1"), initializer_range=0.2)
    rows = Session(loaded, afqmc_sample, PAIRS).encoded(afqmc_sample.split("dev"))
    loaded.model.classifier.bias.set_value(-np.median(predict_logits(loaded.model, rows, 32), axis=0))
    save_model(loaded.model, loaded.vocabulary, directory)
    return directory


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, model_dir: Path, afqmc_sample: DataSet) -> Bundle:
    """The bundle exported from `model_dir`; read only."""
    from ernie_toolkit.models import load_model
    from ernie_toolkit.session import Session

    session = Session(load_model(str(model_dir)), afqmc_sample, PAIRS)
    return session.export(tmp_path_factory.mktemp("bundle") / "export", 100, {}, trained=True)


@pytest.fixture(scope="module")
def scripts() -> Iterator[Scripts]:
    """Where scripts of the project run, one after another (see script_server.py)."""
    with Scripts() as running:
        yield running
