"""Training the networks: 70 % training, 15 % validation, 15 % test, split between images.

scikit-learn trains (Adam, mini-batches); the weights at the best validation loss are kept, so training
longer than needed does no harm. Hidden nodes and split are those of Frei and Kruis (2018); their training
algorithm is not known to us.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.errors import ParameterError
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.tem.features import get_feature_set, measured_with
from nanoai_gui.core.tem.networks.corrections import MOST_REPEATS, SHARE_PERCENT, Weighted, weigh
from nanoai_gui.core.tem.networks.model import TemModel
from nanoai_gui.core.tem.networks.perceptron import Floats, Perceptron, average, softmax
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT, Samples

Loss = Callable[[str, int, float, float], None]
"""``loss(network, epoch, training, validation)``: for live curves."""

PNC_NODES = 39
GATE_NODES = 80
"""Hidden nodes of the network that recognises larger agglomerates, of which the paper tells nothing: it sees
all that is measured, not only the features by which the others count and size."""
GATE_DECAY = 0.5
"""Its weight decay at least: so many features can be learned by heart."""
CLEARLY_MORE = 8
"""It learns from agglomerates of up to five and of at least this many: what lies between can hardly be told
from five, and takes the network's attention from what can."""
PAR_NODES = (11, 24, 48, 124)
"""Hidden nodes tried for every PAR-ANN: the paper's range of 11 to 124."""
TYPICAL = (0.05, 0.95)
"""Quantiles of the training set between which a feature counts as typical."""
FEWEST_PER_COUNT = 40
_LOG_CHI2 = -1.2704
"""Mean of ln(z^2) for a standard normal z: what ln(residual^2) falls short of ln(variance)."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the networks are trained."""

    seed: int = parameter(1, "Seed", minimum=0, maximum=2**31 - 1, help="The same seed gives the same model.")
    pnc_nodes: int = parameter(PNC_NODES, "Hidden nodes of the PNC-ANN", minimum=2, maximum=500)
    epochs: int = parameter(
        120, "Epochs at most", minimum=1, maximum=5000, help="Stops before if validation no longer improves."
    )
    members: int = parameter(
        1, "Networks averaged", minimum=1, maximum=10, advanced=True,
        help="Each network is trained this many times from other starts, and their mean is kept: less "
        "chance, at the price of time. 1 is the founding method.",
    )  # fmt: skip
    patience: int = parameter(12, "Patience", unit="epochs", minimum=1, maximum=1000, advanced=True)
    learning_rate: float = parameter(
        0.003, "Learning rate", minimum=1e-6, maximum=1, step=0.001, advanced=True
    )
    decay: float = parameter(
        0.05, "Weight decay", minimum=0, maximum=100, step=0.05, advanced=True,
        help="Pulls the weights towards zero, against learning chance by heart; many features need more.",
    )  # fmt: skip
    false_exclusions_percent: float = parameter(
        2.0, "Left out by mistake", unit="%", minimum=0.1, maximum=20, step=0.5, advanced=True,
        help="Share of agglomerates of up to five particles that may be taken for larger ones.",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Split:
    """Row masks of the three parts."""

    training: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    test: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """How well the trained networks do on the test part, which no decision ever saw.

    Parameters
    ----------
    n
        Agglomerates in training, validation and test.
    confusion
        (5, 5) int64: true number (rows) against the PNC-ANN's (columns).
    count_accuracy
        Share of test agglomerates with the right number.
    area_true, area_found
        Area shares of the particles of test agglomerates, with the number given, for regression plots.
    area_count
        Number of particles of the agglomerate each of those belongs to.
    false_exclusions
        Share of agglomerates of up to 5 that the gate leaves out.
    recall_many
        Share of agglomerates of 8 or more that it recognises.
    inside_1_sigma
        Share of ln d whose truth lies within one standard error (68 % if honest).
    hidden_nodes
        Nodes chosen for each PAR-ANN.
    """

    n: tuple[int, int, int]
    confusion: NDArray[np.int64]
    count_accuracy: float
    area_true: Floats
    area_found: Floats
    area_count: NDArray[np.int32]
    false_exclusions: float
    recall_many: float
    inside_1_sigma: float
    hidden_nodes: tuple[int, ...]
    losses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def split(samples: Samples, seed: int) -> Split:
    """Part the samples 70 / 15 / 15 %, whole images at a time, since those of one image are alike.

    Images of larger agglomerates are parted by themselves: they are few, and each part needs some.
    """
    rng = np.random.default_rng([seed, 70])
    crowded = np.unique(samples.image[samples.count > LARGEST_COUNT])
    groups = np.setdiff1d(np.unique(samples.image), crowded), crowded
    chosen: list[list[NDArray[np.int64]]] = [[], [], []]
    for images in groups:
        rng.shuffle(images)
        first, second = round(0.7 * len(images)), round(0.85 * len(images))
        for part_of, share in zip(chosen, np.split(images, [first, second]), strict=True):
            part_of.append(share)
    return Split(*(np.isin(samples.image, np.concatenate(shares)) for shares in chosen))


def train(
    samples: Samples,
    feature_set_name: str,
    settings: TrainingSettings | None = None,
    card: dict[str, Any] | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    loss: Loss | None = None,
    corrected: Samples | None = None,
) -> tuple[TemModel, TrainingReport]:
    """Train gate, PNC-ANN and PAR-ANNs.

    Parameters
    ----------
    samples
        From :func:`make_samples`, agglomerates of more than five included; described by all features that
        are measured with those of the set (:func:`~nanoai_gui.core.tem.features.measured_with`).
    card
        What to write into the model's card besides the measured accuracy.
    corrected
        Agglomerates that a person has put right: they join the training part, weighted as
        :func:`~nanoai_gui.core.tem.networks.corrections.weigh` says, but for those kept aside. What the
        report says is measured on ``samples`` alone.

    Raises
    ------
    ParameterError
        If there are too few samples of some number of particles.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    s = settings or TrainingSettings()
    parts = split(samples, s.seed)
    _check_enough(samples, parts)
    weighted = None
    if corrected is not None and len(corrected):
        weighted = weigh(corrected, int(np.count_nonzero(parts.training)), s.seed)
        samples, parts = _join(samples, parts, weighted.training)
    few = samples.count <= LARGEST_COUNT
    losses: dict[str, list[tuple[float, float]]] = {}
    feature_set = get_feature_set(feature_set_name)
    columns = measured_with(feature_set).columns_of(feature_set)
    own = dataclasses.replace(samples, features=np.ascontiguousarray(samples.features[:, columns]))
    trainer = _Trainer(own, parts, s, cancelled, loss, losses)

    progress(0.0, "Training the network that counts")
    pnc, _ = trainer.fit("PNC", few, samples.count - 1, s.pnc_nodes, part(progress, 0.0, 0.25))
    progress(0.25, "Training the network that recognises larger agglomerates")
    clear = few | (samples.count >= CLEARLY_MORE)
    stern = dataclasses.replace(s, decay=max(s.decay, GATE_DECAY))
    gate, _ = dataclasses.replace(trainer, samples=samples, settings=stern).fit(
        "Gate", clear, (~few).astype(int), GATE_NODES, part(progress, 0.25, 0.45)
    )
    threshold = _gate_threshold(gate, samples, parts, s)

    par: list[Perceptron] = []
    spread: list[Perceptron] = []
    nodes: list[int] = []
    largest = np.ones(LARGEST_COUNT)
    for k in range(1, LARGEST_COUNT + 1):
        share = part(progress, 0.45 + 0.11 * (k - 1), 0.45 + 0.11 * k)
        rows = samples.count == k
        target = np.log(np.where(rows[:, None], samples.areas[:, :k], 1.0))
        tried = []
        for i, h in enumerate(PAR_NODES):
            share(0.8 * i / len(PAR_NODES), f"Training the network for the areas of {k}")
            net, value = trainer.fit_one(f"PAR {k} ({h} nodes)", rows, target, h, no_progress)
            tried.append((value, i, net))
        _, chosen, best = min(tried, key=lambda t: t[:2])
        nodes.append(PAR_NODES[chosen])
        best = trainer.complete(best, f"PAR {k} ({nodes[-1]} nodes)", rows, target, nodes[-1], no_progress)
        share(0.8, f"Training the uncertainty of the areas of {k}")
        # Residuals of the validation part: those of the training part are too small.
        residual = np.zeros((len(samples), k))
        residual[rows] = target[rows] - best(own.features[rows])
        log_square = np.log(np.maximum(residual**2, 1e-8)) - _LOG_CHI2
        spread.append(trainer.fit_spread(f"Spread {k}", rows, log_square))
        par.append(best)
        largest[k - 1] = max(1.0, float(np.quantile(samples.areas[rows & parts.training, 0], 0.995)))
    low, high = np.quantile(own.features[few & parts.training], TYPICAL, axis=0)
    model = TemModel(
        feature_set,
        gate,
        threshold,
        pnc,
        tuple(par),
        tuple(spread),
        largest,
        low,
        high,
        card or {},
    )
    report = evaluate(model, samples, parts, tuple(nodes), losses)
    progress(1.0, "Trained")
    filled = {**model.card, "measured": _measured(report)}
    if weighted is not None:
        filled["corrections"] = _corrections_card(weighted, model)
    return dataclasses.replace(model, card=filled), report


def _join(samples: Samples, parts: Split, corrected: Samples) -> tuple[Samples, Split]:
    """Add samples to the training part; validation and test stay as they are."""
    n = len(corrected)
    training, validation, test = (
        np.concatenate([mask, np.full(n, mask is parts.training)])
        for mask in (parts.training, parts.validation, parts.test)
    )
    return Samples.concatenate([samples, corrected]), Split(training, validation, test)


def _corrections_card(weighted: Weighted, model: TemModel) -> dict[str, Any]:
    """Say how corrections were weighted, and how well the networks count on those kept aside."""
    n = len(weighted.training) // weighted.repeats
    card: dict[str, Any] = {
        "n_training": n,
        "n_images_training": len(np.unique(weighted.training.image)),
        "shown_each": weighted.repeats,
        "weighting": f"each corrected agglomerate is shown {weighted.repeats} times an epoch, so that all "
        f"make up {SHARE_PERCENT:g} % of the training, at most {MOST_REPEATS} times",
        "n_aside": len(weighted.aside),
        "n_images_aside": len(np.unique(weighted.aside.image)),
    }
    few = weighted.aside.select(weighted.aside.count <= LARGEST_COUNT)
    if len(few):
        found = model.predict(few.features).count
        card["count_accuracy_aside"] = round(float((found == few.count).mean()), 4)
    return card


def evaluate(
    model: TemModel,
    samples: Samples,
    parts: Split,
    hidden_nodes: tuple[int, ...] = (),
    losses: dict[str, list[tuple[float, float]]] | None = None,
) -> TrainingReport:
    """Measure a model on the test part."""
    few = parts.test & (samples.count <= LARGEST_COUNT)
    own = samples.select(few)
    free = model.predict(own.features)
    given = model.predict(own.features, own.count)
    confusion = np.zeros((LARGEST_COUNT, LARGEST_COUNT), dtype=np.int64)
    np.add.at(confusion, (own.count - 1, free.count - 1), 1)
    there = own.areas > 0
    z = np.log(own.areas[there] / given.shares[there]) / given.errors[there]
    many = samples.features[parts.test & (samples.count >= CLEARLY_MORE)]
    return TrainingReport(
        n=(int(parts.training.sum()), int(parts.validation.sum()), int(parts.test.sum())),
        confusion=confusion,
        count_accuracy=float(np.trace(confusion) / max(confusion.sum(), 1)),
        area_true=own.areas[there],
        area_found=given.shares[there],
        area_count=np.repeat(own.count, own.count),
        false_exclusions=float((free.too_many > model.gate_threshold).mean()) if len(own) else float("nan"),
        recall_many=float((model.predict(many).too_many > model.gate_threshold).mean())
        if len(many)
        else float("nan"),
        inside_1_sigma=float((np.abs(z) <= 1).mean()) if z.size else float("nan"),
        hidden_nodes=hidden_nodes,
        losses=losses or {},
    )


def _measured(report: TrainingReport) -> dict[str, Any]:
    return {
        "n_training": report.n[0],
        "n_validation": report.n[1],
        "n_test": report.n[2],
        "count_accuracy": round(report.count_accuracy, 4),
        "confusion": report.confusion.tolist(),
        "false_exclusions": round(report.false_exclusions, 4),
        "recall_8_or_more": round(report.recall_many, 4),
        "inside_1_sigma": round(report.inside_1_sigma, 4),
        "par_hidden_nodes": list(report.hidden_nodes),
    }


def _check_enough(samples: Samples, parts: Split) -> None:
    for mask in (parts.training, parts.validation, parts.test):
        own = samples.count[mask]
        counts = np.append(
            np.bincount(own[own <= LARGEST_COUNT], minlength=LARGEST_COUNT + 1)[1:],
            np.count_nonzero(own >= CLEARLY_MORE),
        )
        if counts.min() < FEWEST_PER_COUNT // (1 if mask is parts.training else 8):
            raise ParameterError(
                f"{len(samples)} agglomerates are too few to train on: some numbers hardly occur.",
                "Make at least 2000.",
            )


def _gate_threshold(gate: Perceptron, samples: Samples, parts: Split, s: TrainingSettings) -> float:
    rows = parts.validation & (samples.count <= LARGEST_COUNT)
    logit = gate(samples.features[rows])[:, 0]
    return float(1 / (1 + np.exp(-np.quantile(logit, 1 - s.false_exclusions_percent / 100))))


@dataclass(frozen=True, eq=False)
class _Trainer:
    """What all networks of one training have in common."""

    samples: Samples
    parts: Split
    settings: TrainingSettings
    cancelled: Cancelled
    loss: Loss | None
    losses: dict[str, list[tuple[float, float]]]

    def fit(
        self, name: str, rows: NDArray[np.bool_], target: NDArray[Any], nodes: int, progress: Progress
    ) -> tuple[Perceptron, float]:
        """Train as many networks as are averaged. Gives their mean and the first one's validation loss."""
        share = part(progress, 0.0, 1 / self.settings.members)
        net, value = self.fit_one(name, rows, target, nodes, share)
        return self.complete(net, name, rows, target, nodes, progress), value

    def complete(
        self,
        first: Perceptron,
        name: str,
        rows: NDArray[np.bool_],
        target: NDArray[Any],
        nodes: int,
        progress: Progress,
    ) -> Perceptron:
        """Train the others that are averaged with a first network, and average them."""
        n = self.settings.members
        others = [
            self.fit_one(
                f"{name}, {i + 1}", rows, target, nodes, part(progress, i / n, (i + 1) / n), start=i
            )[0]
            for i in range(1, n)
        ]
        return average([first, *others])

    def fit_one(
        self,
        name: str,
        rows: NDArray[np.bool_],
        target: NDArray[Any],
        nodes: int,
        progress: Progress,
        start: int = 0,
    ) -> tuple[Perceptron, float]:
        """Train one network; classes if ``target`` is integer, else regression. Gives its validation loss."""
        return self._fit(
            name, rows & self.parts.training, rows & self.parts.validation, target, nodes, progress, start
        )

    def fit_spread(self, name: str, rows: NDArray[np.bool_], target: Floats) -> Perceptron:
        """Train a small network on the validation part, stopped by a fifth of it."""
        own = np.flatnonzero(rows & self.parts.validation)
        last = np.zeros(len(rows), dtype=bool)
        last[own[::5]] = True
        return self._fit(name, rows & self.parts.validation & ~last, last, target, 11, no_progress)[0]

    def _fit(
        self,
        name: str,
        training: NDArray[np.bool_],
        validation: NDArray[np.bool_],
        target: NDArray[Any],
        nodes: int,
        progress: Progress,
        start: int = 0,
    ) -> tuple[Perceptron, float]:
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        s = self.settings
        x, y = self.samples.features[training], target[training]
        x_val, y_val = self.samples.features[validation], target[validation]
        mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        standard = Perceptron(mean, scale, (np.eye(x.shape[1]),), (np.zeros(x.shape[1]),), _ZERO, _ONE)
        common: dict[str, Any] = {
            "hidden_layer_sizes": (nodes,),
            "activation": "tanh",
            "batch_size": int(np.clip(len(x) // 40, 16, 512)),
            # Far apart, so that the starts of one seed are never those of the next.
            "random_state": (s.seed + 1_000_003 * start) % 2**32,
            "alpha": s.decay,
        }
        classify = target.dtype.kind in "iu"
        if classify:
            classes = np.unique(y)
            out_mean, out_scale = np.zeros(len(classes)), np.ones(len(classes))
            net = MLPClassifier(**common)
        else:
            out_mean, out_scale = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-6)
            net = MLPRegressor(**common)
            y, y_val = (y - out_mean) / out_scale, (y_val - out_mean) / out_scale
            if y.shape[1] == 1:
                y = y[:, 0]
        x, x_val = standard(x), standard(x_val)
        best, best_loss, waited = None, np.inf, 0
        curve = self.losses.setdefault(name, [])
        for epoch in range(s.epochs):
            checkpoint(self.cancelled)
            # The rate falls to a tenth, so that the last epochs settle.
            net.set_params(learning_rate_init=s.learning_rate * 0.1 ** (epoch / max(s.epochs - 1, 1)))
            if hasattr(net, "_optimizer"):
                net._optimizer.learning_rate_init = net.learning_rate_init
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if classify:
                    net.partial_fit(x, y, classes=classes)
                else:
                    net.partial_fit(x, y)
            made = _arrays(net, mean, scale, out_mean, out_scale, classify)
            value = _validation_loss(made, x_val, y_val, classify)
            curve.append((float(net.loss_), value))
            if self.loss is not None:
                self.loss(name, epoch, float(net.loss_), value)
            progress(epoch / s.epochs, f"{name}: epoch {epoch + 1}")
            if value < best_loss * 0.9999:
                best, best_loss, waited = made, value, 0
            else:
                waited += 1
                if waited >= s.patience:
                    break
        assert best is not None
        return best, best_loss


_ZERO, _ONE = np.zeros(1), np.ones(1)


def _arrays(
    net: Any,  # noqa: ANN401 - either estimator
    mean: Floats,
    scale: Floats,
    out_mean: Floats,
    out_scale: Floats,
    classify: bool,
) -> Perceptron:
    weights: Sequence[Floats] = [np.array(w, dtype=np.float64) for w in net.coefs_]
    biases: Sequence[Floats] = [np.array(b, dtype=np.float64) for b in net.intercepts_]
    if classify and weights[-1].shape[1] == 1:
        out_mean, out_scale = out_mean[:1], out_scale[:1]
    return Perceptron(mean, scale, tuple(weights), tuple(biases), out_mean, out_scale)


def _validation_loss(net: Perceptron, x: Floats, y: NDArray[Any], classify: bool) -> float:
    """Cross-entropy, or half the mean square as scikit-learn counts it; inputs and targets standardised."""
    plain = Perceptron(np.zeros(x.shape[1]), np.ones(x.shape[1]), net.weights, net.biases, _ZERO, _ONE)
    out = plain(x)
    if not classify:
        return float(((out - y) ** 2).mean() / 2)
    if out.shape[1] == 1:
        return float(np.logaddexp(0, np.where(y == 1, -out[:, 0], out[:, 0])).mean())
    return float(-np.log(np.maximum(softmax(out)[np.arange(len(y)), y], 1e-12)).mean())
