"""How far to trust the fit of each particle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.tem.fitting.bodies import LOG_R, X, Y
from nanoai_gui.core.tem.fitting.model import Model
from nanoai_gui.core.tem.fitting.scene import blur
from nanoai_gui.core.tem.fitting.solver import Fit, covariance

if TYPE_CHECKING:
    from nanoai_gui.core.tem.fitting.pooled import Physics

SMOOTHING_PX = 1.0
"""Noise averages out over this, what the model cannot explain does not."""
INFLATION, OF_SHAPED = 0.8, 1.0
"""Standard errors are this many times what the covariance and the residual say (seeds 1000 to 1300; the
second where particles are ellipsoids, seeds 1850 to 1859), ..."""
BY_MISFIT, BY_OVERLAP = 0.5, 0.3
"""... and what no noise explains adds to that of ln r: this share of the misfit of a particle, since a model
that leaves so much unexplained is wrong by about as much, and this share of the square of how far contacts
have grown into each other, as what two share goes with that and is known for the image as a whole only."""
SHAPED = 0.35
"""Share of the latter that is left where particles are ellipsoids."""
LEAST_ERROR_PX = 0.035


@dataclass(frozen=True, eq=False)
class Judgement:
    """Columns of length n.

    Parameters
    ----------
    log_r_sd
        Standard error of ln r.
    misfit
        Root mean square of what the model leaves unexplained in and around a particle, noise taken off, as a
        share of the contrast of the particle.
    """

    log_r_sd: NDArray[np.float64]
    misfit: NDArray[np.float64]

    @classmethod
    def nothing(cls, n: int) -> Judgement:
        """For n particles of which nothing is known."""
        return cls(np.full(n, np.nan), np.full(n, np.nan))

    @classmethod
    def joined(cls, several: Sequence[Judgement]) -> Judgement:
        """Put several tables one below the other."""
        return cls(np.concatenate([j.log_r_sd for j in several]), np.concatenate([j.misfit for j in several]))

    def select(self, rows: NDArray[np.bool_]) -> Judgement:
        """Take the rows of a mask."""
        return Judgement(self.log_r_sd[rows], self.misfit[rows])

    def into(self, whole: Judgement, rows: NDArray[np.intp]) -> None:
        """Write these columns into rows of a longer table."""
        whole.log_r_sd[rows] = self.log_r_sd
        whole.misfit[rows] = self.misfit


def judge(model: Model, fit: Fit, physics: Physics, held: NDArray[np.bool_]) -> Judgement:
    """Judge the particles of one scene."""
    out = Judgement.nothing(len(held))
    radius = np.exp(fit.state.parameters[:, LOG_R])
    out.misfit[:], inflation, chance = misfits(model, fit)
    free = np.flatnonzero(~held)
    if len(free):
        columns_fitted = physics.columns
        equations = model.linearise(fit.state, fit.optics, free, columns_fitted)
        variance = covariance(model, equations, free)[:, columns_fitted.index(LOG_R)]
        sd = (OF_SHAPED if physics.strain_sd else INFLATION) * np.sqrt(variance * inflation[free])
        # What chance alone leaves of a right model is no error of it.
        beyond = np.sqrt(np.maximum(np.nan_to_num(out.misfit[free]) ** 2 - chance[free] ** 2, 0))
        # Where shapes are free, they take up most of what contacts are wrong by.
        shared = physics.overlap**2 * (SHAPED if physics.strain_sd else 1.0)
        model_error = np.hypot(BY_MISFIT * beyond, BY_OVERLAP * shared)
        out.log_r_sd[free] = np.hypot(np.hypot(sd, model_error), LEAST_ERROR_PX / radius[free])
    return out


def misfits(model: Model, fit: Fit) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Measure what the model leaves unexplained in and around each particle.

    Returns
    -------
    misfit, inflation, chance
        (n,) each: see :class:`Judgement`; by how much the weighted residual is larger than its weights say,
        1 at least; and the misfit that noise makes of a right model, being larger here and smaller there.
    """
    n = len(fit.state.parameters)
    misfit, inflation, chance = np.full(n, np.nan), np.ones(n), np.zeros(n)
    weighted = blur(model.weight * fit.state.residual, SMOOTHING_PX) ** 2
    plain = blur(fit.state.residual * (model.weight > 0), SMOOTHING_PX) ** 2
    shape = 1 - fit.state.blurred
    p = fit.state.parameters
    radius = np.exp(p[:, LOG_R])
    # White noise of variance 1 keeps this much of it.
    kept = 1 / (4 * np.pi * SMOOTHING_PX**2)
    for k in range(n):
        reach = int(np.ceil(radius[k] + 1.5))
        x, y = round(p[k, X]) + model.rim, round(p[k, Y]) + model.rim
        rows = slice(max(y - reach, 0), max(y + reach + 1, 0))
        columns = slice(max(x - reach, 0), max(x + reach + 1, 0))
        weight = model.weight[rows, columns]
        across = np.arange(columns.start, columns.start + weight.shape[1]) - model.rim - p[k, X]
        down = np.arange(rows.start, rows.start + weight.shape[0]) - model.rim - p[k, Y]
        near = (down[:, None] ** 2 + across[None, :] ** 2 < (radius[k] + 1.5) ** 2) & (weight > 0)
        if not near.any():
            continue
        mean = float(weighted[rows, columns][near].mean())
        noise = kept / float((weight[near] ** 2).mean())
        contrast = fit.optics.amplitude * float(shape[rows, columns][near].mean())
        left = max(float(plain[rows, columns][near].mean()) - noise, 0.0)
        misfit[k] = np.sqrt(left) / max(contrast, 1e-6)
        inflation[k] = max(mean / kept, 1.0)
        # Squares of noise smoothed by s go together over 2 pi s^2 px.
        together = 2 * np.pi * SMOOTHING_PX**2 / np.count_nonzero(near)
        chance[k] = np.sqrt(noise * np.sqrt(2 * together)) / max(contrast, 1e-6)
    return misfit, inflation, chance
