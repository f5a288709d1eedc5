"""Finding particles: the scale, the tiles, the network, and what of its answers stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import (
    Cancelled,
    Progress,
    checkpoint,
    never_cancelled,
    no_progress,
    part,
)  # fmt: skip
from nanoai_gui.core.parameters import check
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.detection.candidates import (
    FAINTEST,
    Candidates,
    explain,
    prefer_whole,
    read_answer,
    suppress,
)
from nanoai_gui.core.tem.detection.detections import DetectionParameters, Detections, Look
from nanoai_gui.core.tem.detection.grid import COVERED, STRIDE
from nanoai_gui.core.tem.detection.merging import merge_pieces
from nanoai_gui.core.tem.detection.model import ParticleNetwork, shipped_network
from nanoai_gui.core.tem.detection.view import TILE_PX, Tile, View, tiles
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.synthesis.contours import directions, star_area

TYPICAL_RADIUS_PX = 14.0
"""The image is scaled so that the median particle has this radius for the network."""
GOOD_FACTOR = 1.35
"""A median within this factor of it is near enough."""
SMALL_PX, LARGE_PX = 4.5, 40.0
"""Particles of smaller or larger radius, for the network, are looked at again on another scale."""
AFAR = 0.4, 0.16
"""Scales of the looks from afar, over the usual one."""
SEEN_WELL_PX = 9.6
"""Radius from which a particle is measured well from afar, for the network there."""
AROUND_PX = 64
"""Looked at around what is to be measured, for the network: centres of particles may lie outside of it."""
FEW = 0.04
"""Share of such particles that is worth another look."""
SMALLEST_SCALE, LARGEST_SCALE = 1 / 32, 2.0
"""Limits of the scale: enlarging further shows nothing new."""
LARGEST_AREA = 40_000_000
"""Px of the scaled image at most: about a minute."""
ROUGH_TILE_PX, ROUGH_AREA = 320, 450_000
"""Side of the tiles of a first rough look for the scale, and the px of the scaled image in them."""
TRIAL_AREA = 1_500_000
"""The same for the looks that follow."""
SMALLEST_RADIUS_PX = 1.0
FAINT = 0.2
"""Score from which a particle is accepted where nothing else explains the material beside a sure one."""


def detect(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: DetectionParameters | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    *,
    foreground: bool = False,
    network: ParticleNetwork | None = None,
    look: Look | None = None,
) -> Detections:
    """Find every primary particle in the agglomerates that are to be measured.

    Parameters
    ----------
    micrograph, agglomerates
        The image and its segmentation, which says where and on which side of the grey scale particles are.
    parameters
        What a person may set.
    progress, cancelled
        As everywhere; asked after every tile.
    foreground
        Whether to keep the probability of each pixel to be material.
    network
        Another network than the shipped one.
    look
        How to look at the image, where it is a part of one that was looked at; ``None``: find out.

    Raises
    ------
    ReadError
        If the network is missing or damaged.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    parameters = parameters or DetectionParameters()
    check(parameters)
    rows = np.flatnonzero(agglomerates.measured)
    probability = np.zeros(micrograph.shape, dtype=np.float32) if foreground else None
    if not len(rows):
        return _empty(probability)
    network = network or shipped_network()
    progress(0.0, "Finding particles")
    view = View.of(micrograph, agglomerates, look.darkest if look else 0.0)
    wanted = np.zeros(int(agglomerates.ids.max()) + 1, dtype=bool)
    wanted[agglomerates.ids[rows]] = True
    search = _Search(network, view, agglomerates.labels[: view.shape[0]], wanted, cancelled)
    scale = look.scale if look else _find_scale(search, parameters, part(progress, 0.0, 0.2))
    found = search.run(scale, part(progress, 0.2, 0.7), probability)
    found = _look_again(search, found, scale, parameters.least_score, part(progress, 0.7, 0.98))
    checkpoint(cancelled)
    found = found.select(suppress(found))
    checkpoint(cancelled)
    owner = search.owners(found)
    found = found.select(explain(found, parameters.least_score, FAINT, search.material, owner))
    checkpoint(cancelled)
    found = merge_pieces(found, search.material)
    checkpoint(cancelled)
    result = _assign(found, search, probability, float(network.card.get("spread_factor", 1.0)))
    progress(1.0, "Finding particles")
    return replace(result, look=Look(float(scale), float(view.scale)))


class _Search:
    """One image and one network, at whatever scale is asked for."""

    def __init__(
        self,
        network: ParticleNetwork,
        view: View,
        labels: NDArray[np.int32],
        wanted: NDArray[np.bool_],
        cancelled: Cancelled,
    ) -> None:
        self.network = network
        self.view = view
        self.labels = labels
        self.wanted = wanted
        self.cancelled = cancelled
        self.seen: dict[tuple[float, Tile], Candidates] = {}

    def possible(self, scale: float) -> float:
        """Bring a scale into its limits."""
        height, width = self.view.shape
        most = min(LARGEST_SCALE, float(np.sqrt(LARGEST_AREA / (height * width))))
        return float(np.clip(scale, SMALLEST_SCALE, max(most, SMALLEST_SCALE)))

    def tiles(
        self, scale: float, where: Candidates | None = None, side: int = TILE_PX
    ) -> list[tuple[Tile, int]]:
        """List the tiles that hold something to measure, and how many px of it, in order of place.

        With ``where``, only those in which one of these candidates lies.
        """
        out = []
        for tile in tiles(self.view.scaled_shape(scale), side):
            y0, x0, y1, x1 = (int(v / scale) for v in (tile.y0, tile.x0, tile.y1, tile.x1))
            step = max(1, (y1 - y0) // 256)
            inside = self.wanted[np.maximum(self.labels[y0 : y1 + 1 : step, x0 : x1 + 1 : step], 0)]
            amount = int(np.count_nonzero(inside))
            if amount:
                rows, columns = (np.flatnonzero(inside.any(axis=axis)) * step for axis in (1, 0))
                low, high = (y0 + rows[0], x0 + columns[0]), (y0 + rows[-1] + step, x0 + columns[-1] + step)
                tile = tile.within(
                    *(int(v * scale) - AROUND_PX for v in low), *(int(v * scale) + AROUND_PX for v in high)
                )
            if amount and where is not None:
                x, y = (where.x + 0.5) * scale, (where.y + 0.5) * scale
                here = (x >= tile.x0) & (x < tile.x1) & (y >= tile.y0) & (y < tile.y1)
                amount = int(np.count_nonzero(here))
            if amount:
                out.append((tile, amount))
        return out

    def run(
        self,
        scale: float,
        progress: Progress = no_progress,
        probability: NDArray[np.float32] | None = None,
        chosen: Sequence[tuple[Tile, int]] | None = None,
    ) -> Candidates:
        """Look at all (or the chosen) tiles of the image at a scale; candidates in px of the image."""
        found = []
        todo = self.tiles(scale) if chosen is None else chosen
        for n, (tile, _) in enumerate(todo):
            checkpoint(self.cancelled)
            progress(n / len(todo), "Finding particles")
            known = self.seen.get((scale, tile))
            if known is None or probability is not None:
                answer = self._answer(tile, scale)
                if probability is not None:
                    _paint(probability, answer[COVERED], tile, scale, self.view.shape)
                # While the scale was being found, many a tile has been looked at already.
                known = self.seen[scale, tile] = _own(read_answer(answer), tile, scale)
            found.append(known)
        return self.on_material(Candidates.joined(found))

    def _answer(self, tile: Tile, scale: float) -> NDArray[np.float32]:
        """Let the network look at a tile; where particles are opaque, at its thickness too."""
        seen = self.view.see(tile, scale)
        answer = self.network(seen)
        if self.view.is_opaque:
            # The mean of both: contrast shows outlines, thickness what lies over each other.
            answer = np.float32(0.5) * (answer + self.network(self.view.thickness(seen)))
        return answer

    def on_material(self, found: Candidates) -> Candidates:
        """Keep those of which some part lies in an agglomerate that is to be measured."""
        return found.select(self.owners(found) > 0)

    def material(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points (any shape) lie in agglomerates that are to be measured."""
        height, width = self.labels.shape
        row, column = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        label = self.labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        return np.asarray(inside & self.wanted[np.maximum(label, 0)])

    def owners(self, found: Candidates) -> NDArray[np.int32]:
        """Give the agglomerate of each candidate: that under its centre or most of it; or 0."""
        height, width = self.labels.shape
        cosine, sine = directions(8)
        step = found.radial.shape[1] // 8 if len(found) else 4
        votes = []
        for share in (0.0, 0.35, 0.7):
            x = found.x[:, None] + share * found.radial[:, ::step] * cosine
            y = found.y[:, None] + share * found.radial[:, ::step] * sine
            column, row = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            label = self.labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            votes.append(np.where(inside, label, 0))
        centre = votes[0][:, 0] if len(found) else np.empty(0, dtype=np.int32)
        owner = np.where(centre > 0, centre, 0)
        for k in np.flatnonzero(owner == 0).tolist():
            around = np.concatenate([votes[1][k], votes[2][k]])
            labels, counts = np.unique(around[around > 0], return_counts=True)
            # Less than half of it lies on material: rather dirt, or a bulge the threshold left out.
            if len(labels) and counts.sum() >= len(around) / 2:
                owner[k] = labels[np.argmax(counts)]
        return np.asarray(np.where(self.wanted[np.maximum(owner, 0)], owner, 0), dtype=np.int32)


def _own(seen: Candidates, tile: Tile, scale: float) -> Candidates:
    """Keep the candidates of the tile's own part, as places in the image."""
    x, y = seen.x + tile.left, seen.y + tile.top
    own = (x >= tile.x0 - 0.5) & (x < tile.x1 - 0.5) & (y >= tile.y0 - 0.5) & (y < tile.y1 - 0.5)
    return seen.select(own).moved(tile.left, tile.top, scale)


def _find_scale(search: _Search, parameters: DetectionParameters, progress: Progress) -> float:
    """Choose the scale at which the median particle has the size the network knows best.

    A first guess comes from how thick the silhouettes are; then the network itself says how large particles
    are, first on a small part of the image, then on a larger one, until the answer stays the same.
    """
    if parameters.typical_diameter_px > 0:
        return search.possible(TYPICAL_RADIUS_PX / (parameters.typical_diameter_px / 2))
    radius = _thickness(search.labels, search.wanted)
    best = search.possible(TYPICAL_RADIUS_PX / radius)
    progress(0.0, "Finding the scale")
    # Agglomerates are thicker than particles: the guess is often wrong, which little of the image shows.
    rough = _median_radius(search, best, parameters.least_score, ROUGH_TILE_PX, ROUGH_AREA)
    if rough and not _is_near_enough(rough):
        best = search.possible(best * TYPICAL_RADIUS_PX / rough)
    tried: list[tuple[float, float]] = []
    for attempt in range(4):
        progress((attempt + 0.5) / 4.5, "Finding the scale")
        median = _median_radius(search, best, parameters.least_score, TILE_PX, TRIAL_AREA)
        if not median:
            break
        tried.append((abs(np.log(median / TYPICAL_RADIUS_PX)), best))
        if _is_near_enough(median):
            break
        following = search.possible(best * TYPICAL_RADIUS_PX / median)
        if abs(np.log(following / best)) < 0.1:
            break
        best = following
    return min(tried)[1] if tried else best


def _is_near_enough(median: float) -> bool:
    return 1 / GOOD_FACTOR < median / TYPICAL_RADIUS_PX < GOOD_FACTOR


def _median_radius(search: _Search, scale: float, least: float, side: int, area: int) -> float:
    """Typical radius (px of the scaled image) in the fullest tiles of an area; 0 where nothing is found."""
    few = []
    for pair in sorted(search.tiles(scale, side=side), key=lambda pair: -pair[1]):
        few.append(pair)
        area -= (pair[0].bottom - pair[0].top) * (pair[0].right - pair[0].left)
        if area < 0:
            break
    found = search.run(scale, chosen=few)
    found = found.select(found.score >= max(least, FAINTEST))
    found = found.select(suppress(found))
    found = merge_pieces(found, search.material)
    return _typical(found.radius) * scale if len(found) else 0.0


def _typical(radius: NDArray[np.float64]) -> float:
    """Median radius, each particle weighted by its diameter: neither dust nor a giant decides."""
    order = np.argsort(radius)
    share = np.cumsum(radius[order])
    return float(radius[order][np.searchsorted(share, share[-1] / 2)])


def _thickness(labels: NDArray[np.int32], wanted: NDArray[np.bool_]) -> float:
    """Three times the mean distance to the outline, which for a disc is its radius, in px."""
    from scipy import ndimage

    step = max(1, int(np.sqrt(labels.size / 2_000_000)))
    inside = wanted[np.maximum(labels[::step, ::step], 0)]
    if not inside.any():
        return TYPICAL_RADIUS_PX
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))
    return max(3 * step * float(distance[distance > 0].mean() - 0.5), 1.0)


def _look_again(
    search: _Search, found: Candidates, scale: float, least: float, progress: Progress
) -> Candidates:
    """Look closer at places with small particles, and from afar at those with large ones."""
    for factor in (2.0, *AFAR):
        again = search.possible(scale * factor)
        size, sure = found.radius * scale, found.score >= least
        large_px = max(LARGE_PX, SEEN_WELL_PX / factor)
        odd = size < SMALL_PX if factor > 1 else size > large_px
        if abs(np.log(again / scale)) < 0.2:
            continue
        if factor > 1 and not (odd & sure).sum() > FEW * sure.sum():
            continue
        # From afar all is looked at: what fills the view or is long may have been seen in parts only.
        chosen = search.tiles(again, found.select(odd & sure) if factor > 1 else None)
        better = search.run(again, progress, chosen=chosen)
        # Each particle is believed on the scale that shows it better.
        looked = _in_tiles(found, [tile for tile, _ in chosen], again)
        own = better.radius * scale
        seen, found = found.select(odd & looked & sure), found.select(~(odd & looked))
        if factor > 1:
            found = Candidates.joined([found, better.select(own < SMALL_PX)])
        else:
            large = better.select((own > SEEN_WELL_PX / factor) & (better.score >= least))
            found = prefer_whole(large.select(suppress(large)), found, seen)
    return found


def _in_tiles(found: Candidates, chosen: Sequence[Tile], scale: float) -> NDArray[np.bool_]:
    x, y = (found.x + 0.5) * scale, (found.y + 0.5) * scale
    out = np.zeros(len(found), dtype=bool)
    for t in chosen:
        out |= (x >= t.x0) & (x < t.x1) & (y >= t.y0) & (y < t.y1)
    return out


def _paint(
    probability: NDArray[np.float32],
    logit: NDArray[np.float32],
    tile: Tile,
    scale: float,
    shape: tuple[int, int],
) -> None:
    """Enter the answer about material of one tile into the image."""
    from PIL import Image

    y0, x0 = int(np.ceil(tile.y0 / scale)), int(np.ceil(tile.x0 / scale))
    y1 = min(int(np.ceil(tile.y1 / scale)), shape[0])
    x1 = min(int(np.ceil(tile.x1 / scale)), shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    picture = Image.fromarray(1 / (1 + np.exp(-logit)))
    edges = ((x0, tile.left, picture.width), (y0, tile.top, picture.height),
             (x1, tile.left, picture.width), (y1, tile.top, picture.height))  # fmt: skip
    left, top, right, bottom = (float(np.clip((v * scale - start) / STRIDE, 0, n)) for v, start, n in edges)
    size = (x1 - x0, y1 - y0)
    probability[y0:y1, x0:x1] = np.asarray(
        picture.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    )


def _assign(
    found: Candidates, search: _Search, probability: NDArray[np.float32] | None, spread_factor: float
) -> Detections:
    """Give each particle its agglomerate, outline and numbers, in order of agglomerates and places."""
    owner = search.owners(found)
    order = np.lexsort((found.x, found.y, owner))
    order = order[(owner[order] > 0) & (found.radius[order] >= SMALLEST_RADIUS_PX)]
    found, owner = found.select(order), owner[order]
    cosine, sine = directions()
    outlines = np.stack(
        [found.x[:, None] + found.radial * cosine, found.y[:, None] + found.radial * sine], axis=-1
    ).astype(np.float32)
    # The centroid of the outline, where circles of the same area are to be drawn.
    weights = found.radial**3 / (1.5 * np.square(found.radial).sum(axis=1, keepdims=True))
    return Detections(
        agglomerate=owner,
        x=found.x + weights @ cosine,
        y=found.y + weights @ sine,
        area_px=star_area(found.radial),
        radius_px=found.radius,
        radius_sd_px=found.radius * found.spread * spread_factor,
        score=found.score,
        outlines=tuple(outlines),
        foreground=probability,
    )


def _empty(probability: NDArray[np.float32] | None) -> Detections:
    none = np.empty(0)
    return Detections(np.empty(0, dtype=np.int32), none, none, none, none, none, none, (), probability)
