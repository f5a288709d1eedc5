"""Corrected agglomerates: cut out, kept without loss, and learned from beside synthetic ones."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from nanoai_gui.core.archive import read_archive, write_archive
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.tem.analysis import (
    AnalysisSettings,
    ImageAnalysis,
    ImageRequest,
    analyse_micrograph,
    load,
)
from nanoai_gui.core.tem.features import extract, get_feature_set, measured_with
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.networks.corrections import (
    FIRST_IMAGE,
    MOST_REPEATS,
    Correction,
    collect,
    gather_corrections,
    load_corrections,
    save_corrections,
    to_samples,
    weigh,
)
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT
from nanoai_gui.core.tem.networks.training import train
from nanoai_gui.core.tem.segmentation import segment
from tests.networks_made import QUICK, plain_samples


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Micrograph, ImageAnalysis]:
    """Pairs and one chain of seven dark discs."""
    y, x = np.indices((220, 300))
    image = np.full(y.shape, 190.0)
    centres = [(60, 50), (84, 50), (200, 60), (226, 60), *((40 + 22 * i, 150) for i in range(7))]
    for cx, cy in centres:
        image[np.hypot(x - cx, y - cy) <= 13] = 70
    image += np.random.default_rng(0).normal(0, 4, image.shape)
    path = tmp_path_factory.mktemp("images") / "a.tif"
    tifffile.imwrite(path, np.clip(image, 0, 255).astype(np.uint8))
    request = ImageRequest(path)
    micrograph = load(request)
    return micrograph, analyse_micrograph(micrograph, request, AnalysisSettings(methods=("watershed",)))


@pytest.fixture(scope="module")
def corrections(analysed: tuple[Micrograph, ImageAnalysis]) -> list[Correction]:
    return collect(*analysed, "watershed", set(analysed[1].agglomerates.ids.tolist()))


def test_what_is_cut_out_is_what_was_measured(
    analysed: tuple[Micrograph, ImageAnalysis], corrections: list[Correction]
) -> None:
    _, analysis = analysed
    a, p = analysis.agglomerates, analysis.results["watershed"].particles
    assert [c.agglomerate for c in corrections] == a.ids.tolist()
    for correction in corrections:
        row = int(np.flatnonzero(a.ids == correction.agglomerate)[0])
        mine = p.agglomerate == correction.agglomerate
        assert correction.mask.sum() == a.area_px[row]
        assert correction.mask.shape == correction.pixels.shape == correction.contrast.shape
        np.testing.assert_allclose(correction.areas, np.sort(p.area_px[mine])[::-1])
        # Particles lie on the silhouette, and the crop is the image there.
        inside = correction.mask[
            np.rint(correction.circles[:, 1]).astype(int), np.rint(correction.circles[:, 0]).astype(int)
        ]
        assert inside.all()
        assert correction.pixels[correction.mask].mean() == pytest.approx(70, abs=3)
        assert correction.contrast[correction.mask].mean() > 0.5
    assert max(c.count for c in corrections) > LARGEST_COUNT


def test_only_those_that_were_corrected(analysed: tuple[Micrograph, ImageAnalysis]) -> None:
    assert [c.agglomerate for c in collect(*analysed, "watershed", {2}, "other.tif")] == [2]
    assert collect(*analysed, "watershed", {99}) == []


def test_features_are_those_of_the_whole_image(
    analysed: tuple[Micrograph, ImageAnalysis], corrections: list[Correction]
) -> None:
    """A correction, read years later, is described as the same agglomerate was in its image."""
    agglomerates = segment(analysed[0])
    for name in ("region-13", "rich"):
        table = extract(agglomerates, measured_with(get_feature_set(name)))
        samples = to_samples(corrections, name)
        np.testing.assert_allclose(samples.features, table.values, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(samples.scale_px, table.scale_px)
    assert samples.count.tolist() == [c.count for c in corrections]
    for row, correction in enumerate(corrections):
        if correction.count <= LARGEST_COUNT:
            share = correction.areas / correction.mask.sum()
            np.testing.assert_allclose(samples.areas[row, : correction.count], share)
        else:
            assert not samples.areas[row].any()
    assert (samples.image == FIRST_IMAGE).all()


def test_a_file_keeps_everything(tmp_path: Path, corrections: list[Correction]) -> None:
    path = tmp_path / "a.npz"
    mixed = [dataclasses.replace(c, nm_per_px=0.5 if i else None) for i, c in enumerate(corrections)]
    save_corrections(path, mixed, "watershed")
    for mine, back in zip(mixed, load_corrections(path), strict=True):
        for name in ("image", "agglomerate", "nm_per_px"):
            assert getattr(back, name) == getattr(mine, name)
        for name in ("pixels", "contrast", "mask", "circles"):
            np.testing.assert_array_equal(getattr(back, name), getattr(mine, name))
    card, _ = read_archive(path, 2**30)
    assert card["n"] == 3 and card["images"] == ["a.tif"] and card["method_corrected"] == "watershed"
    assert sum(card["n_by_count"].values()) == 3
    with np.load(path, allow_pickle=False) as stored:
        assert stored["arrays/mask"].dtype == bool, "numpy alone can read it"


def refusal(path: Path) -> str:
    with pytest.raises(ReadError) as caught:
        load_corrections(path)
    assert path.name in caught.value.message and caught.value.advice
    return str(caught.value)


def test_files_that_are_none(tmp_path: Path, corrections: list[Correction]) -> None:
    path = tmp_path / "a.npz"
    assert "is not there" in refusal(path)
    path.write_bytes(b"")
    assert "damaged" in refusal(path)
    np.savez(path, a=np.ones(3))
    assert "damaged" in refusal(path)
    save_corrections(path, corrections, "watershed")
    card, arrays = read_archive(path, 2**30)
    path.write_bytes(write_archive({**card, "format": "x"}, arrays))
    assert "holds no corrected" in refusal(path)
    path.write_bytes(write_archive({**card, "format_version": 2}, arrays))
    assert "another version" in refusal(path)
    wrong = {
        "contrast": arrays["contrast"] * np.float32(np.inf),
        "shape": arrays["shape"] + 1,
        "count": arrays["count"][:1],
        "circles": -arrays["circles"],
        "image": arrays["image"] + 5,
        "mask": np.zeros_like(arrays["mask"]),
        "pixels": arrays["pixels"][1:],
    }
    for name, array in wrong.items():
        path.write_bytes(write_archive(card, {**arrays, name: array}))
        assert "damaged" in refusal(path), name
    nowhere = {**arrays, "circles": arrays["circles"] + [np.nan, 0, 0]}
    path.write_bytes(write_archive(card, nowhere))
    assert "damaged" in refusal(path)
    for name in arrays:
        path.write_bytes(write_archive(card, {k: v for k, v in arrays.items() if k != name}))
        if name != "areas":  # written for people: the radii say the same
            assert "damaged" in refusal(path), name


def test_pickled_objects_are_never_loaded(tmp_path: Path, corrections: list[Correction]) -> None:
    path = tmp_path / "a.npz"
    save_corrections(path, corrections, "watershed")
    with zipfile.ZipFile(path) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    np.save(tmp_path / "x.npy", np.array([print], dtype=object), allow_pickle=True)
    files["arrays/count.npy"] = (tmp_path / "x.npy").read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert "damaged" in refusal(path)


def test_no_corrections_at_all(tmp_path: Path) -> None:
    save_corrections(tmp_path / "a.npz", [], "watershed")
    assert load_corrections(tmp_path / "a.npz") == []
    with pytest.raises(ReadError, match="empty"):
        gather_corrections([tmp_path / "a.npz"], "region-13")


def test_weighting_is_bounded_and_keeps_images_aside() -> None:
    samples = dataclasses.replace(plain_samples(40), image=np.repeat(np.arange(8), 5) + FIRST_IMAGE)
    weighted = weigh(samples, 1200, 1)
    assert len(np.unique(weighted.aside.image)) == 2 and len(weighted.aside) == 10
    assert not set(weighted.aside.image) & set(weighted.training.image)
    assert weighted.repeats == 10, "30 x 10 are a fifth of 1500"
    assert len(weighted.training) == 300
    assert weigh(samples, 100_000, 1).repeats == MOST_REPEATS
    assert weigh(samples, 10, 1).repeats == 1
    one_image = dataclasses.replace(samples, image=np.full(40, FIRST_IMAGE))
    assert len(weigh(one_image, 1200, 1).aside) == 0


def test_networks_learn_from_corrections() -> None:
    """Real agglomerates that look unlike the synthetic ones: the number shows in another feature."""
    quick = dataclasses.replace(QUICK, epochs=12)
    samples = plain_samples(600)
    other = plain_samples(200, seed=5)
    features = other.features.copy()
    own = get_feature_set("region-13")
    first, _, third = measured_with(own).columns_of(own)[:3]
    features[:, first], features[:, third] = 12.0, features[:, first]
    corrected = dataclasses.replace(other, features=features, image=FIRST_IMAGE + np.arange(200) // 10)
    plain, report = train(samples, "region-13", quick)
    taught, also = train(samples, "region-13", quick, corrected=corrected)
    few = corrected.count <= LARGEST_COUNT

    def right(model: object) -> float:
        found = model.predict(corrected.features[few]).count  # type: ignore[attr-defined]
        return float((found == corrected.count[few]).mean())

    assert right(taught) > right(plain) + 0.2
    card = taught.card["corrections"]
    assert card["shown_each"] == 1 and card["n_training"] == 150 and card["n_aside"] == 50
    assert card["count_accuracy_aside"] > 0.4 and "weighting" in card
    assert report.n[1:] == also.n[1:], "validation and test remain synthetic"
    assert "corrections" not in plain.card
