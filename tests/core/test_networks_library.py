"""A person's own models: their names, where they lie, and how a method measures with one of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import ParameterError, ReadError
from nanoai_gui.core.files.tables import write_tables
from nanoai_gui.core.parameters import check, describe, from_mapping, to_mapping
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest, analyse_micrograph
from nanoai_gui.core.tem.features import FEATURE_SETS
from nanoai_gui.core.tem.networks.library import (
    METHOD_OF_FEATURES,
    check_name,
    find_file,
    list_models,
    method_of,
    model_options,
    model_path,
    models_folder,
    save_user_model,
)
from nanoai_gui.core.tem.networks.model import load_tem_model
from nanoai_gui.core.tem.sizing import METHOD_MODULES
from nanoai_gui.core.tem.sizing import ann as ann_module
from nanoai_gui.core.tem.sizing import ann_rich as ann_rich_module
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image
from tests.networks_made import quick_model


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both methods, whether or not models ship with this checkout."""
    for module in (ann_module, ann_rich_module):
        monkeypatch.setitem(METHOD_MODULES, module.NAME, module.__name__)


def measured(**parameters: object) -> ImageAnalysis:
    image = make_image(SynthesisSpec(width_px=256, height_px=256, gmd_px=16, coverage_percent=12), 1)
    settings = AnalysisSettings(
        methods=("ann",),
        method_parameters={"ann": ann_module.Parameters(**parameters)},  # type: ignore[arg-type]
    )
    return analyse_micrograph(image.micrograph, ImageRequest(Path("a.tif")), settings)


# ---------------------------------------------------------------------- names and files


@pytest.mark.parametrize("name", ["soot", "Größe 2 nm", "a.b", "x" * 60, "  spaces  "])
def test_names_that_can_be_files(name: str) -> None:
    assert check_name(name) == name.strip()
    assert model_path(name).parent == models_folder()


@pytest.mark.parametrize(
    "name",
    ["", "  ", "../evil", "a/b", "a\\b", "C:x", "a\0b", ".hidden", "dot.", "con", "LPT1.x", "x" * 61, "?"],
)
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(ParameterError):
        model_path(name)


def test_the_folder_is_that_of_the_user(user_folders: Path) -> None:
    assert user_folders in models_folder().parents


def test_saving_listing_and_loading() -> None:
    assert list_models() == ()
    path = save_user_model(" mine ", quick_model())
    save_user_model("rich one", quick_model("rich"))
    (models_folder() / "notes.txt").write_text("no model")
    (models_folder() / "broken.zip").write_bytes(b"PK no")
    assert path == model_path("mine")
    assert [(m.name, m.feature_set) for m in list_models()] == [("mine", "region-13"), ("rich one", "rich")]
    assert [m.name for m in list_models("rich")] == ["rich one"]
    assert list_models()[0].card["name"] == "mine" == load_tem_model(path).card["name"]
    assert model_options("region-13") == (("", "Shipped with NanoAI"), ("mine", "mine"))


def test_a_name_is_never_taken_twice() -> None:
    path = save_user_model("mine", quick_model())
    before = path.read_bytes()
    with pytest.raises(ParameterError, match="already a model called mine"):
        save_user_model("mine", quick_model("rich"))
    assert path.read_bytes() == before


# ---------------------------------------------------------------------- measuring with one


@pytest.mark.usefixtures("networks")
def test_a_model_of_the_user_measures_and_is_recorded(tmp_path: Path) -> None:
    save_user_model("mine", quick_model())
    analysis = measured(model="mine")
    result = analysis.results["ann"]
    assert len(result.particles) and np.isfinite(result.particles.uncertainty_px).all()
    assert result.model.startswith("mine (trained by the user, ")
    rows = np.flatnonzero([not reason or "more than" in reason for reason in result.excluded])
    np.testing.assert_allclose(result.probabilities[rows].sum(axis=1), 1)
    description = result.description
    assert description is not None
    values = description.of(int(result.agglomerate_ids[rows[0]]))
    assert values is not None and values.shape == description.low.shape == (13,)
    assert description.of(10_000) is None
    summary = write_tables(tmp_path, [analysis], analysis.settings)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["settings"]["methods"]["ann"]["model"] == "mine"
    assert summary["methods"]["ann"]["pooled"]["model"] == result.model


@pytest.mark.usefixtures("networks")
def test_another_model_of_the_same_name_has_another_fingerprint() -> None:
    path = save_user_model("mine", quick_model())
    first = measured(model="mine").results["ann"].model
    path.unlink()
    save_user_model("mine", dataclasses.replace(quick_model(), gate_threshold=0.9))
    assert measured(model="mine").results["ann"].model != first


@pytest.mark.usefixtures("networks")
def test_models_that_are_missing_or_for_other_features() -> None:
    with pytest.raises(ReadError, match="The model gone is not there"):
        measured(model="gone")
    save_user_model("rich one", quick_model("rich"))
    with pytest.raises(ReadError, match="other features") as caught:
        measured(model="rich one")
    assert "ann-rich" in caught.value.advice
    with pytest.raises(ReadError, match="not there"):
        measured(model="../evil")


@pytest.mark.usefixtures("networks")
def test_a_model_file_measures_as_the_same_model_by_its_name(tmp_path: Path) -> None:
    save_user_model("mine", quick_model())
    copy = tmp_path / "mine.zip"
    copy.write_bytes(model_path("mine").read_bytes())
    by_name, by_file = (measured(model=m).results["ann"] for m in ("mine", str(copy)))
    assert by_file.model == by_name.model
    np.testing.assert_array_equal(by_file.particles.diameter_px, by_name.particles.diameter_px)
    assert method_of(copy) == "ann"
    save_user_model("rich one", quick_model("rich"))
    assert method_of(model_path("rich one")) == "ann-rich"


def test_files_are_told_from_names(tmp_path: Path) -> None:
    assert find_file("mine") == model_path("mine")
    assert find_file("mine.zip") == Path("mine.zip")
    assert find_file("models/mine") == Path("models/mine")
    with pytest.raises(ParameterError):
        find_file("a:b")
    (tmp_path / "no.zip").write_bytes(b"PK no")
    with pytest.raises(ReadError):
        method_of(tmp_path / "no.zip")
    with pytest.raises(ReadError):
        method_of(tmp_path / "gone.zip")


@pytest.mark.usefixtures("networks")
def test_the_limit_for_too_many_can_be_set() -> None:
    save_user_model("mine", quick_model())
    none, some = (measured(model="mine", too_many_percent=p).results["ann"] for p in (100.0, 1e-9))
    assert not any("more than 5" in reason for reason in none.excluded)
    assert any("more than 5 particles" in reason for reason in some.excluded)
    assert len(some.particles) < len(none.particles)


def test_every_feature_set_has_its_method() -> None:
    for module in (ann_module, ann_rich_module):
        assert METHOD_OF_FEATURES[module.FEATURES] == module.NAME
    assert set(METHOD_OF_FEATURES) == set(FEATURE_SETS)


# ---------------------------------------------------------------------- the parameter


def test_a_text_parameter_with_options_that_come_and_go() -> None:
    spec = next(s for s in describe(ann_module.Parameters) if s.name == "model")
    assert spec.type is str and spec.default == "" and not spec.advanced
    assert spec.options is not None and spec.options() == (("", "Shipped with NanoAI"),)
    save_user_model("mine", quick_model())
    save_user_model("rich one", quick_model("rich"))
    assert [value for value, _ in spec.options()] == ["", "mine"]


def test_a_text_parameter_as_json() -> None:
    mine = ann_module.Parameters(model="mine", too_many_percent=3.0)
    check(mine)
    mapping = json.loads(json.dumps(to_mapping(mine)))
    assert from_mapping(ann_module.Parameters, mapping) == mine
    assert from_mapping(ann_module.Parameters, {}) == ann_module.Parameters()
    for wrong in (5, None, ["mine"]):
        with pytest.raises(ParameterError, match="Model cannot be"):
            from_mapping(ann_module.Parameters, {"model": wrong})
