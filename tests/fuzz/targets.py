"""What is fuzzed: every reader that is given files or bytes of others, with good files to start from."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanoai_gui.core.resources import resource

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


def project_seeds(folder: Path) -> list[Path]:
    from nanoai_gui.core.project.records import ImageFacts
    from nanoai_gui.core.project.store import ProjectStore
    from tests.core.analyses import Disc, make_analysis

    path = folder / "small.nanoai"
    analysis = make_analysis([Disc(1, 40, 40, 12, (7.5, 6.1))], path="a.tif", shape=(90, 120))
    store = ProjectStore.create(path)
    with store.transaction():
        store.put_image(1, 1, ImageFacts(Path("a.tif").absolute(), shape=(90, 120)), False)
        store.put_analysis(1, analysis)
        store.put_labels(1, analysis.labels)
    store.close()
    return [path]


def project(path: Path) -> object:
    from nanoai_gui.core.project.opening import read_project

    return read_project(path)


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
    from nanoai_gui.core.exchange.export import Format, write_beside
    from tests.core.analyses import Disc, make_analysis

    made = make_analysis([Disc(1, 40, 40, 12, (7.5, 6.1)), Disc(2, 80, 50, 9, (9.0,))], path="a.tif")
    out = folder / "outlines"
    for kind in Format:
        (out / kind).mkdir(parents=True, exist_ok=True)
    write_beside(out, "a.tif", made, frozenset(Format))
    return sorted(path for path in out.rglob("*") if path.is_file())


def outlines(path: Path) -> object:
    from nanoai_gui.core.exchange.reading import read_outlines

    return read_outlines(path, "a.tif", (300, 400))


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
    "project": Target(project_seeds, project),
    "analysis": Target(analysis_seeds, analysis, only_bytes=True),
    "outlines": Target(outline_seeds, outlines),
    "settings": Target(settings_seeds, settings),
}


def names() -> Iterator[str]:
    """List the targets."""
    yield from TARGETS
