"""The particle network's way from pixels to outlines: tiles, scale, polarity, decoding, bad models."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.resources import resource
from nanoai_gui.core.tem.agglomerates import Agglomerates, Polarity
from nanoai_gui.core.tem.detection import model, search
from nanoai_gui.core.tem.detection.candidates import (
    Candidates,
    explain,
    prefer_whole,
    read_answer,
    share_inside,
    suppress,
)
from nanoai_gui.core.tem.detection.detections import DetectionParameters, Detections
from nanoai_gui.core.tem.detection.grid import ALIGNMENT
from nanoai_gui.core.tem.detection.merging import merge_pieces
from nanoai_gui.core.tem.detection.model import ParticleNetwork, check_onnx, load_network, shipped_network
from nanoai_gui.core.tem.detection.search import detect
from nanoai_gui.core.tem.detection.view import View, as_thickness, tiles
from nanoai_gui.core.tem.evaluation import Circles, match_circles
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.segmentation import SegmentationParameters, segment
from nanoai_gui.core.tem.sizing import why_unavailable
from nanoai_gui.core.tem.synthesis import ContrastKind, Shape, SynthesisSpec, SyntheticImage, make_image
from nanoai_gui.core.tem.synthesis.contours import N_ANGLES, contour, directions, star_area
from nanoai_gui.core.tem.synthesis.shapes import Ball, make_body
from tests.core.detection_made import perfect_answer

PLAIN = SynthesisSpec(width_px=384, height_px=320, gmd_px=24, gsd=1.25, max_particles=4)


@pytest.fixture(scope="module")
def plain() -> tuple[SyntheticImage, Agglomerates]:
    image = make_image(PLAIN, 41)
    return image, segment(image.micrograph)


def f1(image: SyntheticImage, agglomerates: Agglomerates, found: Detections) -> float:
    """Share of particles matched, those of excluded agglomerates left out."""
    t = image.truth
    row = np.clip(np.rint(t.y_px).astype(int), 0, agglomerates.labels.shape[0] - 1)
    column = np.clip(np.rint(t.x_px).astype(int), 0, agglomerates.labels.shape[1] - 1)
    seen = np.isin(agglomerates.labels[row, column], agglomerates.ids[agglomerates.measured])
    true = Circles(t.x_px[seen], t.y_px[seen], t.diameter_px[seen])
    pairs, _ = match_circles(true, Circles(found.x, found.y, 2 * found.radius_px))
    return 2 * len(pairs) / (len(true) + len(found))


def test_spheres_are_found_with_their_radii(plain: tuple[SyntheticImage, Agglomerates]) -> None:
    image, agglomerates = plain
    found = detect(image.micrograph, agglomerates, foreground=True)
    assert f1(image, agglomerates, found) > 0.95
    t = image.truth
    i, j = match_circles(
        Circles(t.x_px, t.y_px, t.diameter_px), Circles(found.x, found.y, 2 * found.radius_px)
    )
    off = found.radius_px[j] / (t.diameter_px[i] / 2) - 1
    assert np.median(np.abs(off)) < 0.035
    assert (found.radius_sd_px > 0).all() and np.median(found.radius_sd_px / found.radius_px) < 0.1
    assert np.isin(found.agglomerate, agglomerates.ids[agglomerates.measured]).all()
    assert all(o.shape == (N_ANGLES, 2) and o.dtype == np.float32 for o in found.outlines)
    assert found.foreground is not None and found.foreground.shape == image.micrograph.shape
    material = image.labels > 0
    agreed = (found.foreground > 0.5) == material
    assert agreed.mean() > 0.97


def test_bright_particles_are_found_as_dark_ones_are(plain: tuple[SyntheticImage, Agglomerates]) -> None:
    image, agglomerates = plain
    dark = detect(image.micrograph, agglomerates)
    turned = Micrograph(255 - image.micrograph.pixels, name="turned")
    segmented = segment(turned, SegmentationParameters(polarity=Polarity.BRIGHT))
    bright = detect(turned, segmented)
    assert f1(image, segmented, bright) > 0.93
    assert abs(len(bright) - len(dark)) <= max(2, 0.1 * len(dark))


@pytest.mark.parametrize("factor", [0.35, 3.0])
def test_scale_is_found_by_itself(factor: float) -> None:
    spec = replace(
        PLAIN, gmd_px=24 * factor, blur_px=0.7, coverage_percent=8,
        width_px=192 if factor < 1 else 768, height_px=192 if factor < 1 else 768,
    )  # fmt: skip
    image = make_image(spec, 42)
    agglomerates = segment(image.micrograph)
    found = detect(image.micrograph, agglomerates)
    assert f1(image, agglomerates, found) > 0.88


def test_one_opaque_angular_particle_stays_one() -> None:
    spec = replace(
        PLAIN, shape=Shape.POLYHEDRON, max_particles=1, contrast_kind=ContrastKind.SILHOUETTE, contrast=0.95,
        gmd_px=40, flatness=1.0,
    )  # fmt: skip
    image = make_image(spec, 43)
    agglomerates = segment(image.micrograph)
    found = detect(image.micrograph, agglomerates)
    counts = np.array([np.sum(found.agglomerate == k) for k in agglomerates.ids[agglomerates.measured]])
    assert len(counts) > 5 and np.mean(counts == 1) > 0.9


def test_a_large_particle_with_uneven_grey_stays_one_among_many_small_ones() -> None:
    from scipy import ndimage

    radii = []
    side = 700
    y, x = np.mgrid[:side, :side]
    large = np.hypot(x - 300, y - 320) < 110
    places = [(px, py) for px in range(40, side, 70) for py in range(40, side, 70)]
    small = [place for place in places if np.hypot(place[0] - 300, place[1] - 320) > 150]
    for seed in (3, 4, 5):
        rng = np.random.default_rng(seed)
        grey = np.full((side, side), 200.0)
        clouds = 60 + 35 * np.tanh(30 * ndimage.gaussian_filter(rng.standard_normal((side, side)), 12))
        grey[large] = clouds[large]
        for px, py in small:
            grey[np.hypot(x - px, y - py) < rng.uniform(17, 22)] = 110
        grey = ndimage.gaussian_filter(grey, 1.2) + rng.normal(0, 4, grey.shape)
        micrograph = Micrograph(np.clip(grey, 0, 255).astype(np.uint8), name="two sizes")
        found = detect(micrograph, segment(micrograph))
        here = np.hypot(found.x - 300, found.y - 320) < 110
        assert here.sum() == 1
        assert np.count_nonzero(~here) == len(small)
        radii.append(float(found.radius_px[here][0]))
    # Bright clouds at the edge of one of them are taken for film.
    assert np.median(radii) == pytest.approx(110, rel=0.03) and min(radii) > 80


def test_what_is_seen_from_afar_stands_only_if_it_is_surer() -> None:
    def round_ones(*rows: tuple[float, float, float, float]) -> Candidates:
        x, y, radius, score = np.array(rows).T
        return Candidates(x, y, np.repeat(radius[:, None], N_ANGLES, 1), score, np.full(len(x), 0.1))

    whole = round_ones((0, 0, 50, 0.8))
    parts = round_ones((-20, 0, 22, 0.5), (22, 0, 20, 0.4), (70, 0, 15, 0.9))
    none = whole.select(np.array([], dtype=np.intp))
    assert sorted(prefer_whole(whole, parts, none).radius) == pytest.approx([15, 50])
    sure = round_ones(*[(x, y, 16, 0.95) for x in (-30, 0, 30) for y in (-30, 0, 30)])
    assert prefer_whole(round_ones((0, 0, 50, 0.5)), sure, none).radius == pytest.approx([16] * 9)
    # Seen from near as well: then what lies before it was no part of it.
    assert sorted(prefer_whole(whole, parts, round_ones((3, 0, 48, 0.7))).radius) == pytest.approx(
        [15, 20, 22, 50]
    )
    # From near it is better measured; from afar it must be much surer.
    near = round_ones((5, 0, 47, 0.7))
    assert prefer_whole(whole, near, none).radius == pytest.approx([47])
    assert prefer_whole(round_ones((0, 0, 50, 0.95)), near, none).radius == pytest.approx([50])
    elsewhere = prefer_whole(none, parts, round_ones((200, 0, 45, 0.7)))
    assert sorted(elsewhere.radius) == pytest.approx([15, 20, 22, 45])


def test_tiles_cover_an_image_once_and_are_aligned() -> None:
    shape = 1000, 437
    times = np.zeros(shape, dtype=int)
    for tile in tiles(shape, side=256, margin=64):
        times[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
        assert (tile.bottom - tile.top) % ALIGNMENT == (tile.right - tile.left) % ALIGNMENT == 0
        assert tile.top % ALIGNMENT == tile.left % ALIGNMENT == 0
        assert tile.top <= tile.y0 - 64 and tile.bottom >= tile.y1 + 64
    assert (times == 1).all()


def test_seams_of_tiles_change_nothing(
    plain: tuple[SyntheticImage, Agglomerates], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, agglomerates = plain
    parameters = DetectionParameters(typical_diameter_px=20)
    whole = detect(image.micrograph, agglomerates, parameters)
    monkeypatch.setattr(search, "tiles", lambda shape, side: tiles(shape, side=128))
    tiled = detect(image.micrograph, agglomerates, parameters)
    assert len(tiled) == len(whole) > 20
    assert np.abs(tiled.x - whole.x).max() < 0.05 and np.abs(tiled.y - whole.y).max() < 0.05
    assert np.abs(tiled.radius_px / whole.radius_px - 1).max() < 0.01
    assert np.abs(tiled.score - whole.score).max() < 0.02


@pytest.mark.parametrize("scale", [1.0, 0.37, 2.3])
def test_view_keeps_places_whatever_the_tile(
    plain: tuple[SyntheticImage, Agglomerates], scale: float
) -> None:
    image, agglomerates = plain
    view = View.of(image.micrograph, agglomerates)
    shape = view.scaled_shape(scale)
    (one,) = tiles(shape, side=4096)
    whole = view.see(one, scale)
    for tile in tiles(shape, side=96, margin=16):
        seen = view.see(tile, scale)
        y, x = tile.y0 - tile.top, tile.x0 - tile.left
        part = seen[y : y + tile.y1 - tile.y0, x : x + tile.x1 - tile.x0]
        reference = whole[tile.y0 - one.top : tile.y1 - one.top, tile.x0 - one.left : tile.x1 - one.left]
        assert np.abs(part - reference).max() < 1e-3
    # Outside of the image there is empty film.
    assert not whole[: -one.top].any()


def test_work_can_be_cancelled(plain: tuple[SyntheticImage, Agglomerates]) -> None:
    image, agglomerates = plain
    with pytest.raises(OperationCancelled):
        detect(image.micrograph, agglomerates, cancelled=lambda: True)


def test_nothing_to_measure_gives_nothing(plain: tuple[SyntheticImage, Agglomerates]) -> None:
    image, agglomerates = plain
    none = replace(agglomerates, excluded=("touches border",) * len(agglomerates))
    found = detect(image.micrograph, none, foreground=True)
    assert len(found) == 0 and found.foreground is not None and found.outlines == ()


def scattered(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Outlines of ellipsoids on a jittered grid: x, y, radial."""
    rng = np.random.default_rng(seed)
    spec = SynthesisSpec(shape=Shape.ELLIPSOID)
    side = int(np.ceil(np.sqrt(n)))
    place = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:n]
    bodies = [make_body(float(rng.uniform(12, 26)), np.eye(3), spec, rng) for _ in range(n)]
    x, y = (30 + 36 * place + rng.uniform(-4, 4, (n, 2))).T
    outlines = [contour(body) for body in bodies]
    return x + [o[0] for o in outlines], y + [o[1] for o in outlines], np.array([o[2] for o in outlines])


def test_a_perfect_answer_is_read_without_loss() -> None:
    x, y, radial = scattered(36, 1)
    answer = perfect_answer(x, y, radial, (256, 256))
    found = read_answer(answer)
    found = found.select(suppress(found.select(found.score > 0.5))) if len(found) else found
    assert len(found) == len(x)
    order = np.array([np.argmin(np.hypot(found.x - a, found.y - b)) for a, b in zip(x, y, strict=True)])
    assert np.abs(found.x[order] - x).max() < 0.05 and np.abs(found.y[order] - y).max() < 0.05
    assert np.abs(found.radial[order] / radial - 1).max() < 0.01


def candidates(x: list[float], radius: list[float], score: list[float]) -> Candidates:
    n = len(x)
    return Candidates(
        np.array(x), np.zeros(n), np.repeat(np.array(radius)[:, None], N_ANGLES, axis=1), np.array(score),
        np.full(n, 0.02),
    )  # fmt: skip


def test_the_same_particle_seen_twice_is_kept_once_and_overlapping_ones_stay() -> None:
    found = candidates([0.0, 1.5, 12.0, 40.0], [10.0, 10.5, 10.0, 10.0], [0.7, 0.9, 0.8, 0.6])
    assert suppress(found).tolist() == [1, 2, 3]
    # A small particle in front of a large one is another particle.
    assert len(suppress(candidates([0.0, 2.0], [20.0, 4.0], [0.9, 0.8]))) == 2


def test_a_doubtful_particle_stands_only_where_nothing_else_explains_the_material() -> None:
    found = candidates([0.0, 8.0, 22.0, 60.0], [10.0, 6.0, 10.0, 10.0], [0.9, 0.3, 0.3, 0.3])

    def material(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return x < 40

    # The second lies mostly in the first, the fourth on empty film; the third explains a part of its own.
    one = np.ones(4, dtype=np.int32)
    assert explain(found, 0.5, 0.2, material, one).tolist() == [0, 2]
    assert explain(found, 0.5, 0.4, material, one).tolist() == [0]
    assert sorted(explain(found, 0.2, 0.1, material, one).tolist()) == [0, 1, 2, 3]
    # In an agglomerate of which nothing is sure it may as well be a letter.
    assert explain(found, 0.5, 0.2, material, np.array([1, 1, 2, 1], dtype=np.int32)).tolist() == [0]


def test_pieces_of_a_rod_are_joined_and_touching_spheres_are_not() -> None:
    pieces = candidates([0.0, 17.0, 34.0], [9.0, 9.0, 9.0], [0.6, 0.5, 0.4])

    def rod(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray((np.abs(y) <= 9) & (x > -9) & (x < 43))

    def spheres(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(sum((x - a) ** 2 + y**2 <= 81 for a in (0, 17, 34)) > 0)

    joined = merge_pieces(pieces, rod)
    assert len(joined) == 1 and joined.x[0] == pytest.approx(17, abs=0.3)
    assert star_area(joined.radial)[0] == pytest.approx(np.pi * 81 + 34 * 18, rel=0.03)
    assert len(merge_pieces(pieces, spheres)) == 3
    # In the middle of a crowd there is material on all sides, which says nothing.
    assert len(merge_pieces(pieces, lambda x, y: np.ones(x.shape, dtype=bool))) == 3
    # Of two that the network is sure of each is a particle, however straight the silhouette runs on.
    assert len(merge_pieces(candidates([0.0, 17.0, 34.0], [9.0, 9.0, 9.0], [0.9, 0.8, 0.9]), rod)) == 3


def test_two_long_particles_side_by_side_are_not_joined() -> None:
    cosine, sine = directions()
    ellipse = 1 / np.sqrt((cosine / 9) ** 2 + (sine / 26) ** 2)

    def pair(away: float) -> Candidates:
        none = np.full(2, 0.5)
        return Candidates(np.array([0.0, away]), np.zeros(2), np.array([ellipse, ellipse]), none, 0.1 * none)

    def block(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray((np.abs(y) <= 26) & (x > -9) & (x < 26))

    assert len(merge_pieces(pair(17.0), block)) == 2
    # The same two one behind the other are one rod.
    rod = Candidates(np.zeros(2), np.array([0.0, 50.0]), pair(0.0).radial, np.full(2, 0.5), np.full(2, 0.05))
    assert len(merge_pieces(rod, lambda x, y: np.asarray((np.abs(x) <= 9) & (y > -26) & (y < 76)))) == 1


def test_share_inside_is_the_area_of_the_lens() -> None:
    found = candidates([0.0, 10.0, 60.0], [10.0, 10.0, 10.0], [1.0, 1.0, 1.0])
    i, j = np.array([0, 0, 0]), np.array([1, 2, 0])
    lens = 2 / 3 - np.sqrt(3) / (2 * np.pi)
    assert share_inside(found, i, j) == pytest.approx([lens, 0.0, 1.0], abs=0.06)


def test_contours_have_the_area_of_their_bodies() -> None:
    rng = np.random.default_rng(5)
    for shape in (Shape.ELLIPSOID, Shape.POLYHEDRON, Shape.ROD):
        spec = SynthesisSpec(shape=shape, aspect_ratio=1.6, roughness=0.03)
        for _ in range(5):
            body = make_body(30.0, np.eye(3), spec, rng)
            assert star_area(contour(body)[2]) == pytest.approx(body.area, rel=0.03)
    assert contour(Ball(7.0))[2] == pytest.approx(np.full(N_ANGLES, 7.0))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for suffix in (".onnx", ".json"):
        (tmp_path / f"particles{suffix}").write_bytes(resource("models", f"particles{suffix}").read_bytes())
    return tmp_path / "particles.onnx"


def rehash(path: Path, data: bytes) -> None:
    """Write other bytes with a card that agrees with them."""
    import hashlib

    path.write_bytes(data)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    card["sha256"] = hashlib.sha256(data).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")


def test_a_method_says_why_it_cannot_measure_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert why_unavailable("watershed") == why_unavailable("fit") == ""
    with monkeypatch.context() as lacking:
        lacking.setattr(model, "resource", lambda *names: tmp_path.joinpath(*names))
        assert why_unavailable("fit").startswith(
            "The particle network particles.onnx or its card is not there."
        )
    model._load.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert why_unavailable("fit") == (
        "ONNX Runtime, which runs the particle network, cannot be loaded. "
        "Install NanoAI again, or measure with another method."
    )
    monkeypatch.undo()
    assert why_unavailable("fit") == ""


def test_shipped_network_is_small_and_has_a_card() -> None:
    card = shipped_network().card
    assert resource("models", "particles.onnx").stat().st_size < 4 * 2**20
    assert {"seed", "steps", "generator", "date", "accuracy", "spread_factor"} <= set(card)


def test_changed_networks_are_refused(copy: Path) -> None:
    load_network(copy)
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(bytes(data))
    with pytest.raises(ReadError, match="damaged"):
        load_network(copy)


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_cut_networks_are_refused_even_with_an_agreeing_card(copy: Path, size: int) -> None:
    rehash(copy, copy.read_bytes()[:size])
    with pytest.raises(ReadError):
        load_network(copy)


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (field(7, field(5, field(13, b"x"))), "other files"),
        (field(7, field(5, bytes([14 << 3, 1]))), "other files"),
        (field(7, field(1, field(7, b"com.example"))), "not standard"),
        (field(8, field(1, b"com.example")) + field(7, b""), "not standard"),
        (field(7, field(1, field(5, field(6, field(5, field(13, b"x")))))), "other files"),
        (field(25, b"") + field(7, b""), "of its own"),
        (field(7, field(15, field(1, field(13, b"x")))), "sparse"),
        (field(7, field(1, field(5, field(22, b"")))), "sparse"),
        (field(20, field(1, field(5, field(13, b"x")))) + field(7, b""), "more than a trained network"),
        (b"", "no network"),
        (b"\x3a\xff", "cut off"),
    ],
)  # fmt: skip
def test_networks_that_reach_beyond_their_file_are_refused(model: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_onnx(model)


def test_other_cards_and_missing_files_are_refused(copy: Path) -> None:
    card = copy.with_suffix(".json")
    for text, reason in (("{}", "not the card"), ("[", "cannot be read"), (None, "not there")):
        if text is None:
            card.unlink()
        else:
            card.write_text(text, encoding="utf-8")
        with pytest.raises(ReadError, match=reason):
            load_network(copy)


class Listener(ParticleNetwork):
    """A network that remembers what it was shown."""

    seen: list[NDArray[np.float32]]

    def __init__(self, network: ParticleNetwork, seen: list[NDArray[np.float32]]) -> None:
        super().__init__(network.session, network.card, network.fingerprint)
        object.__setattr__(self, "seen", seen)

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(image)
        return super().__call__(image)


def test_where_particles_are_opaque_their_thickness_is_looked_at_too() -> None:
    """The network is asked twice then, and the mean of both answers counts."""
    calls: list[NDArray[np.float32]] = []
    network = shipped_network()
    spec = SynthesisSpec(width_px=256, height_px=256, gmd_px=30, contrast=0.97, coverage_percent=12)
    numbers = []
    for opaque in (spec, replace(spec, contrast=0.3)):
        image = make_image(opaque, 31)
        agglomerates = segment(image.micrograph)
        view = View.of(image.micrograph, agglomerates)
        calls.clear()
        detect(image.micrograph, agglomerates, network=Listener(network, calls))
        numbers.append(view.is_opaque)
        if view.is_opaque:
            assert len(calls) % 2 == 0
            contrast, thickness = calls[0], calls[1]
            assert np.allclose(thickness, as_thickness(contrast, min(view.scale, 0.98)))
    assert numbers == [True, False]
