import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neural_network import MLPClassifier

from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.spectra.network import ReluNetwork, softmax, train_discriminant, train_network
from nanoai_gui.core.spectra.pca import PrincipalComponents, Scaling, fit_components
from tests.core.made_spectra import made_set


@pytest.mark.parametrize("n", [60, 400])  # fewer and more spectra than channels
@pytest.mark.parametrize("scaling", list(Scaling))
def test_components_are_those_of_scikit_learn(n: int, scaling: Scaling) -> None:
    values = made_set(n).intensities.astype(np.float64)
    ours = fit_components(values, scaling, 0.95)
    spread = values.std(axis=0) if scaling is Scaling.STANDARDISE else 1.0
    reference = PCA(0.95, svd_solver="full").fit((values - values.mean(axis=0)) / spread)
    assert ours.n_components == reference.n_components_
    overlap = np.abs(np.einsum("mk,mk->m", ours.components, reference.components_))
    np.testing.assert_allclose(overlap, 1, atol=1e-6)
    np.testing.assert_allclose(ours.scree[:5], reference.explained_variance_ratio_[:5], rtol=1e-9)
    np.testing.assert_allclose(ours.scores(values).var(axis=0), ours.variances, rtol=1e-6)
    assert ours.variance_explained >= 0.95 > ours.scree[: ours.n_components - 1].sum()


def test_a_fixed_number_of_components_is_kept_as_far_as_there_are_any() -> None:
    values = made_set(30).intensities
    assert fit_components(values, number=7).n_components == 7
    assert fit_components(values, number=500).n_components == 29


def test_channels_that_never_change_do_no_harm() -> None:
    values = made_set(40).intensities.copy()
    values[:, 5] = 1e6
    components = fit_components(values)
    assert components.scale[5] == 1
    assert np.isfinite(components.scores(values)).all()


def test_spectra_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(ParameterError, match="the same"):
        fit_components(np.full((10, 20), 3.0))
    with pytest.raises(ParameterError, match="One spectrum"):
        fit_components(np.zeros((1, 20)))


def test_arrays_of_another_shape_make_no_components() -> None:
    arrays = fit_components(made_set(40).intensities).to_arrays("pca")
    assert PrincipalComponents.from_arrays(arrays, "pca").n_components > 0
    with pytest.raises(ValueError, match="do not fit"):
        PrincipalComponents.from_arrays({**arrays, "pca.mean": np.zeros(3)}, "pca")
    arrays.pop("pca.scale")
    with pytest.raises(ValueError, match=r"lacks pca\.scale"):
        PrincipalComponents.from_arrays(arrays, "pca")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_network_is_evaluated_as_scikit_learn_does(n_classes: int) -> None:
    random = np.random.default_rng(1)
    inputs = random.normal(size=(60, 6)).astype(np.float32)
    labels = np.arange(60) % n_classes
    ours = train_network(inputs, labels, n_classes, epochs=1, seed=3)
    reference = MLPClassifier((25, 25), alpha=1.0, batch_size=8, learning_rate_init=0.003, random_state=3)
    reference.partial_fit(inputs, labels, classes=np.arange(n_classes))
    np.testing.assert_allclose(
        softmax(ours(inputs.astype(np.float64))), reference.predict_proba(inputs), atol=1e-5
    )
    assert ours.layer_sizes == (6, 25, 25, n_classes)


def test_discriminant_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    labels = np.arange(90) % 3
    inputs = random.normal(size=(90, 8)) * np.linspace(1, 20, 8) + labels[:, None] * np.linspace(0, 3, 8)
    ours = softmax(train_discriminant(inputs, labels, 3)(inputs))
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(inputs, labels)
    np.testing.assert_allclose(ours, reference.predict_proba(inputs), atol=1e-4)


def test_rare_classes_count_as_much_as_common_ones() -> None:
    random = np.random.default_rng(4)
    labels = (np.arange(600) < 30).astype(np.int64)
    inputs = random.normal(size=(600, 4)) + 0.8 * labels[:, None]
    found = train_network(inputs, labels, 2, epochs=30)(inputs).argmax(axis=1)
    assert (found[labels == 1] == 1).mean() > 0.6


def test_too_high_a_learning_rate_is_said_in_a_sentence() -> None:
    random = np.random.default_rng(5)
    inputs, labels = 1e6 * random.normal(size=(60, 5)), np.arange(60) % 2
    with pytest.raises(ParameterError, match="diverged"):
        train_network(inputs, labels, 2, solver="sgd", learning_rate=1.0, epochs=50)


def test_damaged_layers_make_no_network() -> None:
    arrays = {"a.weight0": np.zeros((3, 4)), "a.bias0": np.zeros(4), "a.weight1": np.zeros((5, 2))}
    with pytest.raises(ValueError, match=r"lacks a\.bias1"):
        ReluNetwork.from_arrays(arrays, "a")
    with pytest.raises(ValueError, match="do not fit"):
        ReluNetwork.from_arrays({**arrays, "a.bias1": np.zeros(2)}, "a")
    with pytest.raises(ValueError, match="damaged"):
        ReluNetwork.from_arrays({}, "a")
