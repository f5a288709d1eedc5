"""From preprocessed spectra to class probabilities: standardise, principal components, network, softmax.

The recipe is that of Gravely and Roxbury (ACS Nano 15 (2021) 12388): components for 95 % of the variance,
two hidden layers of 25 ReLU nodes, softmax. Where it is silent (scaling, solver, epochs) the parameters say
what we do.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import (
    Cancelled,
    Progress,
    checkpoint,
    never_cancelled,
    no_progress,
    part,
)
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.spectra.network import Loss, ReluNetwork, softmax, train_discriminant, train_network
from nanoai_gui.core.spectra.pca import Floats, PrincipalComponents, Scaling, fit_components

LIMIT = 8.0
"""Scores are cut at this many standard deviations before the networks: beyond lies nothing that they learned
from. Rejection sees the uncut scores."""
MOST_AVERAGED = 6
"""Averages that are added to the training are of 2 to so many spectra."""


class Method(enum.Enum):
    """What turns scores into class probabilities."""

    NETWORK = "network"
    LDA = "lda"
    BOTH = "both"


class Solver(enum.Enum):
    """How the weights are found."""

    ADAM = "adam"
    SGD = "sgd"


class Inputs(enum.Enum):
    """The scale of the scores that the network sees."""

    LIKE_SPECTRA = "like-spectra"
    EQUAL = "equal"


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """Everything that is chosen before training."""

    scaling: Scaling = parameter(
        Scaling.STANDARDISE, "Before PCA",
        help="standardise: every channel counts alike; centre: strong bands count more.",
    )  # fmt: skip
    variance_percent: float = parameter(
        95.0, "Variance kept", unit="%", minimum=10, maximum=100, step=1,
        help="As many principal components as hold this share of the variance.",
    )  # fmt: skip
    n_components: int = parameter(
        0, "Components", minimum=0, maximum=2000,
        help="A fixed number of components, such as 44; 0: as many as the variance asks for.",
    )  # fmt: skip
    method: Method = parameter(
        Method.NETWORK, "Classifier",
        help="network: two hidden layers; lda: linear discriminant analysis; both: their mean.",
    )  # fmt: skip
    hidden_1: int = parameter(25, "First hidden layer", unit="nodes", minimum=1, maximum=1000)
    hidden_2: int = parameter(
        25, "Second hidden layer", unit="nodes", minimum=0, maximum=1000, help="0: only one hidden layer."
    )
    members: int = parameter(
        3, "Networks", minimum=1, maximum=50,
        help="So many networks, which differ in their random start, are trained; their probabilities are "
        "averaged.",
    )  # fmt: skip
    solver: Solver = parameter(Solver.ADAM, "Solver")
    learning_rate: float = parameter(0.003, "Learning rate", minimum=1e-6, maximum=1, step=0.001)
    epochs: int = parameter(40, "Epochs", minimum=1, maximum=5000)
    batch: int = parameter(64, "Spectra a step", minimum=1, maximum=100_000, advanced=True)
    weight_decay: float = parameter(
        0.5, "Weight decay", minimum=0, maximum=1000, step=0.1, advanced=True,
        help="Keeps weights small, which helps with few dishes or patients.",
    )  # fmt: skip
    averages: float = parameter(
        0.0, "Averages added", minimum=0, maximum=20, step=0.5,
        help="For every spectrum, so many averages of a few spectra of the same group and class are learned "
        "from too: less noise, and what groups have in common counts more. Needs groups; 0: spectra only.",
    )  # fmt: skip
    inputs: Inputs = parameter(
        Inputs.LIKE_SPECTRA, "Scores enter", advanced=True,
        help="like-spectra: with the variance they have; equal: every component scaled to variance 1.",
    )  # fmt: skip
    seed: int = parameter(
        1, "Seed", minimum=0, maximum=2**31 - 1, help="The same seed gives the same model.", advanced=True
    )


@dataclass(frozen=True, eq=False)
class Classifier:
    """What training leaves: plain arrays.

    Parameters
    ----------
    components
        The projection of preprocessed spectra.
    input_scale
        (m,) what scores are divided by before the networks.
    networks
        Their probabilities are averaged.
    temperature
        Logits (logarithms of the mean probability) are divided by this; above 1 where the networks are more
        certain than they are right (C. Guo et al., ICML 2017).
    """

    components: PrincipalComponents
    input_scale: Floats
    networks: tuple[ReluNetwork, ...]
    temperature: float = 1.0

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.networks[0].layer_sizes[-1]

    def logits(self, scores: NDArray[Any]) -> NDArray[Any]:
        """(n, c) logarithms of the mean probability of the networks, before the temperature."""
        inputs = network_inputs(self.components, self.input_scale, scores)
        if len(self.networks) == 1:
            return self.networks[0](inputs)
        total = softmax(self.networks[0](inputs))
        for network in self.networks[1:]:
            total += softmax(network(inputs))
        return np.asarray(np.log(np.maximum(total / len(self.networks), 1e-12)))

    def probabilities(self, scores: NDArray[Any]) -> NDArray[Any]:
        """(n, m) scores to (n, c) probabilities, rows sum to 1."""
        return softmax(self.logits(scores) / self.temperature)


def input_scale(components: PrincipalComponents, inputs: Inputs) -> Floats:
    """(m,) what scores are divided by: each by its own spread, or all alike to a mean variance of 1."""
    if inputs is Inputs.EQUAL:
        return np.asarray(np.sqrt(components.variances))
    return np.full(components.n_components, float(np.sqrt(components.variances.mean())))


def network_inputs(components: PrincipalComponents, scale: Floats, scores: NDArray[Any]) -> NDArray[Any]:
    """(n, m) scores as the networks take them: cut at :data:`LIMIT` standard deviations, and scaled."""
    reach = (LIMIT * np.sqrt(components.variances)).astype(scores.dtype)
    return np.asarray(np.clip(scores, -reach, reach) / scale.astype(scores.dtype))


def check_labels(labels: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """Refuse what nothing can be learned from.

    Raises
    ------
    ParameterError
        If there is one class only, or a class without a spectrum.
    """
    if len(classes) < 2:
        only = f" ({classes[0]})" if classes else ""
        raise ParameterError(
            f"There is only one class{only}, so there is nothing to tell apart.",
            "Label spectra of at least two classes.",
        )
    for number, name in enumerate(classes):
        if not (labels == number).any():
            raise ParameterError(f"No spectrum of the class {name!r} is left to learn from.")


def fit_settings_components(spectra: NDArray[Any], settings: ClassifierSettings) -> PrincipalComponents:
    """Find the components that the settings ask for."""
    return fit_components(spectra, settings.scaling, settings.variance_percent / 100, settings.n_components)


def train_classifier(
    components: PrincipalComponents,
    scores: Floats,
    labels: NDArray[np.int64],
    n_classes: int,
    settings: ClassifierSettings,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    loss: Loss | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Classifier:
    """Train on the scores (n, m) of spectra whose components are already found.

    Parameters
    ----------
    labels
        (n,) class numbers; every class below ``n_classes`` occurs.
    groups
        (n,) numbers of dishes, cells or patients, which averages are taken within, if the settings ask for
        them.
    loss
        Called after every epoch of every network.

    Raises
    ------
    ParameterError
        If a setting is outside its limits, or the training diverges.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check(settings)
    checkpoint(cancelled)
    scale = input_scale(components, settings.inputs)
    inputs = network_inputs(components, scale, scores.astype(np.float64))
    hidden = (settings.hidden_1, settings.hidden_2) if settings.hidden_2 else (settings.hidden_1,)
    members = 0 if settings.method is Method.LDA else settings.members
    networks: list[ReluNetwork] = []
    n_added = 0 if groups is None else round(settings.averages * len(inputs))
    for member in range(members):
        seed = settings.seed + member
        learned, of = inputs, labels
        if groups is not None and n_added:
            learned, of = with_averages(inputs, labels, groups, n_added, np.random.default_rng(seed))
        speak = part(progress, member / members, (member + 1) / members)
        networks.append(
            train_network(
                learned,
                of,
                n_classes,
                hidden=hidden,
                solver=settings.solver.value,
                learning_rate=settings.learning_rate,
                epochs=settings.epochs,
                weight_decay=settings.weight_decay,
                batch=settings.batch,
                seed=seed,
                cancelled=cancelled,
                loss=_teller(member, settings.epochs, speak, loss),
            )
        )
    if settings.method is not Method.NETWORK:
        # As many times as there are networks, so that both kinds weigh the same.
        networks += [train_discriminant(inputs, labels, n_classes)] * max(members, 1)
    return Classifier(components, scale, tuple(networks))


def with_averages(
    inputs: Floats,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    n_added: int,
    random: np.random.Generator,
) -> tuple[Floats, NDArray[np.int64]]:
    """Add averages of 2 to :data:`MOST_AVERAGED` spectra, drawn with replacement from one group and class.

    Every group counts alike, however many spectra it has; those of a single one add nothing.

    Parameters
    ----------
    inputs, labels, groups
        (n, m) inputs of the networks, (n,) classes and (n,) groups.

    Returns
    -------
    (n + n_added, m) and (n + n_added,): the spectra, then the averages.
    """
    n_classes = int(labels.max()) + 1
    families, family, sizes = np.unique(groups * n_classes + labels, return_inverse=True, return_counts=True)
    order = np.argsort(family, kind="stable")
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    useful = np.flatnonzero(sizes > 1)
    if not useful.size:
        return inputs, labels
    chosen = random.choice(useful, n_added)
    n_averaged = random.integers(2, MOST_AVERAGED + 1, n_added)
    total = np.zeros((n_added, inputs.shape[1]))
    for i in range(MOST_AVERAGED):
        drawn = order[first[chosen] + (random.random(n_added) * sizes[chosen]).astype(np.int64)]
        total += np.where((n_averaged > i)[:, None], inputs[drawn], 0.0)
    averages = total / n_averaged[:, None]
    return np.concatenate([inputs, averages]), np.concatenate([labels, families[chosen] % n_classes])


def _teller(member: int, epochs: int, progress: Progress, loss: Loss | None) -> Callable[[int, float], None]:
    def tell(epoch: int, value: float) -> None:
        progress((epoch + 1) / epochs, f"Network {member + 1}: epoch {epoch + 1}, loss {value:.3f}")
        if loss is not None:
            loss(member, epoch, value)

    return tell


def fit_classifier(
    spectra: NDArray[Any],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    settings: ClassifierSettings,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    loss: Loss | None = None,
) -> Classifier:
    """Find the components of (n, k) preprocessed spectra and train on their scores.

    Raises
    ------
    ParameterError
        As :func:`check_labels`, :func:`~nanoai_gui.core.spectra.pca.fit_components` and
        :func:`train_classifier`.
    """
    check(settings)
    check_labels(labels, classes)
    components = fit_settings_components(spectra, settings)
    scores = components.scores(spectra.astype(np.float64))
    return train_classifier(components, scores, labels, len(classes), settings, progress, cancelled, loss)
