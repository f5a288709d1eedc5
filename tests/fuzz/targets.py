"""What is fuzzed: every reader that is given files or bytes of others, with good files to start from."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanoai_gui.core.resources import resource
from tests.fuzz import projects

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Target:
    """A reader: ``seeds`` writes good files into a folder, ``read`` reads one of them, damaged."""

    seeds: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    only_bytes: bool = False
    """Whether the reader may also raise ``ValueError``, which its caller is to catch."""


def samples(*names: str) -> Callable[[Path], list[Path]]:
    """Give files that the recipe of the standalone program makes for its self-test."""

    def write(folder: Path) -> list[Path]:
        if not (folder / "expected.json").exists():
            script = ROOT / "packaging" / "selftest_files.py"
            subprocess.run([sys.executable, script, folder], check=True)
        return [folder / name for name in names]

    return write


def image(path: Path) -> object:
    from nanoai_gui.core.files.micrographs import list_frames, read_micrograph, read_thumbnail

    list_frames(path)
    read_thumbnail(path, 64)
    return read_micrograph(path)


def spectra(path: Path) -> object:
    from nanoai_gui.core.files.spectra import read_spectra

    return read_spectra(path, 785.0)


# ------------------------------------------------------------------------------------------ NanoAI's own


def spectra_seeds(folder: Path) -> list[Path]:
    """Larger spectra files of our own readers: maps, series, several blocks."""
    from tests.core import raman_made as made

    row, column = np.divmod(np.arange(12), 4)
    places = np.column_stack((10 + 2.0 * column, 20 - 3.0 * row))
    return [
        made.wdf(folder / "map.wdf", made.bands(12), places=places, grid=(3, 4)),
        made.wdf(folder / "one.wdf", made.bands(1)),
    ]


def spc_seeds(folder: Path) -> list[Path]:
    from tests.core import raman_made as made

    return [
        made.spc(folder / "even.spc", made.bands(3), even=True),
        made.spc(folder / "own.spc", made.bands(3), own_axes=True),
        made.spc(folder / "log.spc", made.bands(1), kind="i4", log="EXCIT_LINE = 532.2\r\n"),
    ]


def jcamp_seeds(folder: Path) -> list[Path]:
    from tests.core import raman_made as made

    forms = {"plain": ["400 1 2 3 3 2", "600 1 0 -1 -2 -3"], "packed": ["400AJT%jX"]}
    return [made.jcamp(folder / f"{name}.jdx", lines, 10, 400, 760) for name, lines in forms.items()]


def text_seeds(folder: Path) -> list[Path]:
    from tests.core import raman_made as made

    return [
        made.columns(folder / "columns.txt", made.bands(4), head="Raman shift\tone\ttwo\tthree\tfour\n"),
        made.columns(folder / "plain.txt", made.bands(1), separator=";"),
    ]


def label_seeds(folder: Path) -> list[Path]:
    path = folder / "labels.csv"
    path.write_text("cell,x_um,y_um,label\n1,1.5,2.5,a\n1,2.5,2.5,b\n", encoding="utf-8")
    return [path]


def labels(path: Path) -> object:
    from nanoai_gui.core.files.spectra_labels import read_labels

    return read_labels(path)


def model_seeds(folder: Path) -> list[Path]:
    path = folder / "model.zip"
    path.write_bytes(resource("models", "tem-ann.zip").read_bytes())
    return [path]


def model(path: Path) -> object:
    from nanoai_gui.core.tem.networks.model import load_tem_model

    return load_tem_model(path)


def spectra_model_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.core.spectra.model import save_spectra_model
    from tests.core.test_spectra_state import small_model

    path = folder / "spectra-model.zip"
    save_spectra_model(path, small_model())
    return [path]


def spectra_model(path: Path) -> object:
    from nanoai_gui.core.spectra.model import load_spectra_model

    return load_spectra_model(path)


def network_seeds(folder: Path) -> list[Path]:
    whole = resource("models", "particles.onnx").read_bytes()
    path = folder / "network.onnx"
    path.write_bytes(whole)
    return [path]


def network(path: Path) -> object:
    from nanoai_gui.core.tem.detection.model import check_onnx

    check_onnx(path.read_bytes())
    return None


def correction_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.core.tem.networks.corrections import Correction, save_corrections

    mask = np.hypot(*(np.indices((9, 12)) - np.array([4, 5])[:, None, None])) < 4
    pixels = np.where(mask, 70.0, 190.0)
    circles = np.array([[4.0, 4.0, 2.5], [6.0, 4.5, 2.0]])
    made = Correction("a.tif", 3, 0.5, pixels, 190 - pixels, mask, circles)
    path = folder / "corrections.npz"
    save_corrections(path, [made, made], "watershed")
    return [path]


def corrections(path: Path) -> object:
    from nanoai_gui.core.tem.networks.corrections import load_corrections

    return load_corrections(path)


def manual_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.core.tem.by_hand import TIMES_FILE, write_times

    particles = folder / "particles.csv"
    rows = [f"table1_000{i}.tif,manual,{20 + i}.5" for i in (0, 1, 1)]
    particles.write_text("\n".join(["image,method,diameter_px", *rows]), encoding="utf-8")
    times = folder / TIMES_FILE
    write_times(times, [("table1_0000.tif", 1, 2.5), ("table1_0001.tif", 2, 3.0)])
    # Each is read as what it is not, too.
    return [particles, times.rename(folder / "times.csv")]


def manual(path: Path) -> object:
    from nanoai_gui.core.files.benchmark import read_manual
    from nanoai_gui.core.tem.by_hand import read_times

    read_times(path)
    return read_manual(path)


STATES = ("set", "regions", "predictions", "spectra-model", "steps")
N_SPECTRA = 6


def state_seeds(folder: Path) -> list[Path]:
    """What a project keeps of spectra, a kind a suffix."""
    from nanoai_gui.core.spectra import state
    from nanoai_gui.core.spectra.preprocessing import Pipeline
    from nanoai_gui.core.spectra.rois import Brush, Polygon, Rois
    from tests.core import test_spectra_state as made

    regions = Rois().add([0, 1], shape=Polygon(((0, 0), (1, 0), (0, 1.25))), label="a").add([3], name="x")
    regions = regions.add([2], shape=Brush(((1, 2), (3, 4)), 0.5, "Band area", 120.0))
    kept = (
        state.set_to_bytes(made.spectra()),
        state.rois_to_bytes(regions),
        state.predictions_to_bytes(made.predictions()),
        state.model_to_bytes(made.small_model()),
        state.pipeline_to_bytes(Pipeline.of("despike", ("crop", {"low": 500, "high": 1700}))),
    )
    paths = [folder / f"kept.{kind}" for kind in STATES]
    for path, data in zip(paths, kept, strict=True):
        path.write_bytes(data)
    return paths


def spectra_state(path: Path) -> object:
    from nanoai_gui.core.spectra import state

    data = path.read_bytes()
    match path.suffix[1:]:
        case "set":
            return state.set_from_bytes(data)
        case "regions":
            return state.rois_from_bytes(data, N_SPECTRA)
        case "predictions":
            return state.predictions_from_bytes(data, N_SPECTRA)
        case "spectra-model":
            return state.model_from_bytes(data)
    return state.pipeline_from_bytes(data)


def cache_seeds(folder: Path) -> list[Path]:
    path = folder / "picture.npy"
    np.save(path, np.arange(600, dtype=np.uint8).reshape(20, 30))
    return [path]


def cache(path: Path) -> object:
    """Show an image whose thumbnail in the cache is damaged: only time may be lost by it."""
    from PIL import Image

    from nanoai_gui.core.files.thumbnail_cache import cached_thumbnail

    image, kept = path.with_name("image.png"), path.with_name("cache")
    if not image.exists():
        Image.new("L", (60, 40), 128).save(image)
    cached_thumbnail(image, None, 32, kept)
    (entry,) = kept.glob("*.npy")
    shutil.copyfile(path, entry)
    return cached_thumbnail(image, None, 32, kept)


def analysis_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.core import plain
    from tests.core.analyses import Disc, make_analysis

    path = folder / "analysis.bin"
    path.write_bytes(plain.to_bytes(make_analysis([Disc(1, 40, 40, 12, (7.5, 6.1))], path="a.tif")))
    return [path]


def analysis(path: Path) -> object:
    from nanoai_gui.core import plain
    from nanoai_gui.core.tem.analysis import ImageAnalysis

    return plain.from_bytes(ImageAnalysis, path.read_bytes())


def outline_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.core.exchange.export import Format, export_outlines, write_beside
    from tests.core.analyses import Disc, make_analysis

    made = make_analysis([Disc(1, 40, 40, 12, (7.5, 6.1)), Disc(2, 80, 50, 9, (9.0,))], path="a.tif")
    out = folder / "outlines"
    for kind in Format:
        (out / kind).mkdir(parents=True, exist_ok=True)
    write_beside(out, "a.tif", made, frozenset(Format))
    export_outlines(out / "a.json", Format.COCO, [("a.tif", made)], True, "watershed", ".json")
    return sorted(path for path in out.rglob("*") if path.is_file())


def outlines(path: Path) -> object:
    from nanoai_gui.core.exchange.reading import read_outlines

    return read_outlines(path, "a.tif", (100, 120))


def settings_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.gui.settings import SettingsStore

    store = SettingsStore(folder / "settings.json")
    store.values.recent = ["/a/b.tif", "C:\\c.tif"]
    store.values.layout = {"splitter": "AAAA"}
    store.values.geometry = "AdnQywAD"
    store.save()
    return [store.path]


def settings(path: Path) -> object:
    from nanoai_gui.gui.settings import SettingsStore

    store = SettingsStore(path)
    base64.b64decode(store.values.geometry)
    for state in store.values.layout.values():
        base64.b64decode(state)
    for name in (*store.values.recent, store.values.last_project):
        Path(name).exists()
    return store.save()


def _files(*suffixes: str) -> Target:
    return Target(samples(*(f"image.{suffix}" for suffix in suffixes)), image)


TARGETS: dict[str, Target] = {
    "wdf": Target(spectra_seeds, spectra),
    "spc": Target(spc_seeds, spectra),
    "jcamp": Target(jcamp_seeds, spectra),
    "text": Target(text_seeds, spectra),
    "table": Target(samples("spectrum.csv", "spectrum.tsv"), spectra),
    "workbook": Target(samples("spectrum.xlsx"), spectra),
    "xml": Target(samples("spectrum.xml", "spectrum.tvf"), spectra),
    "labels": Target(label_seeds, labels),
    "dm": _files("dm3", "dm4"),
    "mrc": _files("mrc"),
    "tiff": _files("tif"),
    "hdf5": _files("h5", "dm5", "emd"),
    "pictures": _files("png", "jpg", "bmp"),
    "rosetta": _files("ser", "img"),
    "model": Target(model_seeds, model),
    "spectra-model": Target(spectra_model_seeds, spectra_model),
    "network": Target(network_seeds, network, only_bytes=True),
    "corrections": Target(correction_seeds, corrections),
    "manual": Target(manual_seeds, manual),
    "spectra-state": Target(state_seeds, spectra_state),
    "cache": Target(cache_seeds, cache),
    "project": Target(projects.seeds, projects.read),
    "analysis": Target(analysis_seeds, analysis, only_bytes=True),
    "outlines": Target(outline_seeds, outlines),
    "settings": Target(settings_seeds, settings),
}


def names() -> Iterator[str]:
    """List the targets."""
    yield from TARGETS
