"""Whose work the standalone program holds, and under which licences: NOTICES.txt and a bill of materials.

Everything comes from what was really collected: each file is traced to the Python distribution or, for
libraries of the system, to the Debian package that it belongs to, and these say themselves what they are.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import re
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LICENCE_FILE = re.compile(
    r".*(licen[cs]e|copying|copyright|notice|third.?party|authors|legal code)[\w .-]*$", re.IGNORECASE
)
CODE = {".py", ".pyi", ".pyc", ".pyx", ".so", ".pyd", ".json", ".h"}
"""Suffixes of files that may be called after licences, but are none."""
COMMON_LICENCES = Path("/usr/share/common-licenses")
LICENCES = Path(__file__).resolve().parent / "licences"
_SPDX_ID = re.compile(r"[A-Za-z0-9.+-]+$")
_CLASSIFIERS = {
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
}


@dataclass
class Part:
    """A component: its licence as an SPDX expression where it gives one, and the texts that go with it."""

    name: str
    version: str
    licence: str
    purl: str
    texts: dict[str, str] = field(default_factory=dict)
    requires: list[str] = field(default_factory=list)


def write(sources: Iterable[str], folder: Path, own_version: str) -> list[Part]:
    """Write ``NOTICES.txt`` and ``sbom.cdx.json`` for the files that were collected."""
    paths = {Path(source).resolve() for source in sources if source}
    parts = [*_python_parts(paths), *_system_parts(paths)]
    parts.sort(key=lambda part: part.name.casefold())
    without = [part.name for part in parts if not part.texts]
    if without:
        raise RuntimeError(f"no licence text was found for {', '.join(without)}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "NOTICES.txt").write_text(_notices(parts), encoding="utf-8")
    bill = json.dumps(_bill(parts, own_version), indent=1, ensure_ascii=False)
    (folder / "sbom.cdx.json").write_text(bill + "\n", encoding="utf-8")
    return parts


# ------------------------------------------------------------------------------------------ finding


def _python_parts(paths: set[Path]) -> list[Part]:
    parts = [_interpreter()]
    for found in importlib.metadata.distributions():
        name = found.metadata["Name"]
        files = {Path(str(found.locate_file(file))).resolve() for file in found.files or ()}
        # PyInstaller's own start-up code is in every program that it makes.
        if name.lower() != "nanoai-gui" and (files & paths or name.lower() == "pyinstaller"):
            parts.append(_distribution(found, files))
    return parts


def _distribution(found: importlib.metadata.Distribution, files: set[Path]) -> Part:
    name, version = found.metadata["Name"], found.version
    texts = {}
    for file in sorted(files):
        is_one = LICENCE_FILE.match(file.name) or "licenses" in file.parts
        if is_one and file.suffix.lower() not in CODE and file.is_file():
            # Many parts of one distribution have a LICENSE.txt each.
            texts["/".join(file.parts[-3:])] = file.read_text(encoding="utf-8", errors="replace")
    licence = _licence(found)
    if not texts:
        text = _by_name(licence)
        if text:
            texts[licence] = text
    if name == "PySide6_Essentials":
        texts["works of others in Qt"] = (LICENCES / "Qt-parts.txt").read_text(encoding="utf-8")
    requires = [re.split(r"[\s;<>=!~\[(]", line, maxsplit=1)[0] for line in found.requires or []]
    return Part(
        name, version, licence, f"pkg:pypi/{name.lower().replace('_', '-')}@{version}", texts, requires
    )


def _licence(found: importlib.metadata.Distribution) -> str:
    """Give the licence as the distribution states it: an expression, else a classifier, else free text."""
    metadata = found.metadata
    if metadata["Name"].lower() == "pyinstaller":  # whose metadata cannot say this shortly
        return "GPL-2.0-or-later WITH Bootloader-exception"
    expressions = metadata.get_all("License-Expression")
    if expressions:
        return str(expressions[0])
    named = [
        line.rsplit(" :: ", 1)[1]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License :: OSI Approved :: ")
    ]
    free = str((metadata.get_all("License") or [""])[0]).strip()
    if free and "\n" not in free and len(free) < 60:  # some put the whole text there
        return _CLASSIFIERS.get(free, free)
    return " OR ".join(_CLASSIFIERS.get(name, name) for name in named) or "see notice"


def _by_name(licence: str) -> str:
    """Give the text of a licence for the few that only name it: Qt, which says LGPL, and small ones."""
    if "LGPL-3.0" in licence:
        notice = (
            "Taken under the GNU Lesser General Public License, version 3, a set of additional rights\n"
            "on that of LICENSE.txt. The libraries are unchanged but for tables of symbols and are files of\n"
            "their own in the folder of the program, where other builds of the same version can take\n"
            "their place. Their source code is published by the Qt Project.\n\n"
        )
        return notice + (LICENCES / "LGPL-3.0.txt").read_text(encoding="utf-8")
    return f"Distributed under: {licence}"


def _interpreter() -> Part:
    library = Path(sysconfig.get_path("stdlib"))
    places = [
        library / "LICENSE.txt",
        Path(sys.base_prefix) / "LICENSE.txt",
        Path("/usr/share/doc/python3/copyright"),
    ]
    text = next((place.read_text(encoding="utf-8") for place in places if place.exists()), "")
    version = platform.python_version()
    return Part("Python", version, "PSF-2.0", f"pkg:generic/python@{version}", {"LICENSE.txt": text})


def _system_parts(paths: set[Path]) -> list[Part]:
    """Trace libraries of the system to their Debian packages."""
    if not sys.platform.startswith("linux"):
        return []
    own = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    own.append(Path(sys.base_prefix).resolve())
    foreign = [
        path for path in sorted(paths)
        if path.is_absolute() and ".so" in path.name and not any(path.is_relative_to(root) for root in own)
    ]  # fmt: skip
    parts: dict[str, Part] = {}
    for path in foreign:
        package = _package_of(path)
        if package and package not in parts:
            parts[package] = _package(package)
    return list(parts.values())


def _package_of(path: Path) -> str:
    if not path.is_relative_to("/usr") and not path.is_relative_to("/lib"):
        return ""  # written by the recipe from a file that is traced itself
    for candidate in (str(path), str(path).removeprefix("/usr")):
        done = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":", 1)[0]
    raise RuntimeError(f"{path} belongs to no package, so that its licence is unknown")


def _package(name: str) -> Part:
    asked = ["dpkg-query", "--showformat=${Version}", "--show", name]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    text = Path(f"/usr/share/doc/{name}/copyright").read_text(encoding="utf-8", errors="replace")
    short = sorted({line.strip() for line in re.findall(r"^License: *(\S[^\n]*)$", text, re.MULTILINE)})
    licence = "; ".join(short[:6]) or "see notice"
    return Part(name, version, licence, f"pkg:deb/debian/{name}@{version}", {"copyright": text})


# ------------------------------------------------------------------------------------------ writing


def _notices(parts: list[Part]) -> str:
    head = (
        "NanoAI is free software under the GNU General Public License, version 3 or later (LICENSE.txt).\n"
        "This program also holds the following works. Their licences, each as its authors give it, follow.\n"
    )
    lines = [head, *(f"  {part.name} {part.version}: {part.licence}" for part in parts)]
    seen: dict[str, str] = {}
    for part in parts:
        lines += ["", "=" * 100, f"{part.name} {part.version}", f"Licence: {part.licence}"]
        for name, text in part.texts.items():
            before = seen.setdefault(text.strip(), f"{part.name} ({name})")
            if before != f"{part.name} ({name})":
                lines += ["-" * 100, f"{name}: the same text as that of {before}"]
            else:
                lines += ["-" * 100, name, "", text.strip()]
    everything = "\n".join(lines)
    for file in sorted(COMMON_LICENCES.glob("*")):
        # Debian's notices point to these; only real files, as the others are links to them.
        if not file.is_symlink() and f"common-licenses/{file.name}" in everything:
            everything += f"\n\n{'=' * 100}\n{file.name}\n\n{file.read_text(encoding='utf-8').strip()}\n"
    return everything + "\n"


def _bill(parts: list[Part], own_version: str) -> dict[str, object]:
    """Describe the parts as CycloneDX 1.6."""
    components = [
        {
            "type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version,
            "purl": part.purl, "licenses": [_licence_entry(part.licence)],
        }
        for part in parts
    ]  # fmt: skip
    own = f"pkg:generic/nanoai-gui@{own_version}"
    by_name = {part.name.lower().replace("_", "-"): part.purl for part in parts}
    dependencies = [{"ref": own, "dependsOn": [part.purl for part in parts]}]
    for part in parts:
        needed = {by_name.get(name.lower().replace("_", "-")) for name in part.requires} - {None, part.purl}
        dependencies.append({"ref": part.purl, "dependsOn": sorted(str(purl) for purl in needed)})
    content = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, own + content)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application", "bom-ref": own, "name": "NanoAI", "version": own_version, "purl": own,
                "licenses": [{"license": {"id": "GPL-3.0-or-later"}}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }  # fmt: skip


def _licence_entry(licence: str) -> dict[str, object]:
    if _SPDX_ID.match(licence) and re.search(r"\d|MIT|ISC|Zlib", licence) and ";" not in licence:
        return {"license": {"id": licence}} if _is_spdx(licence) else {"license": {"name": licence}}
    if (
        re.search(r" (AND|OR|WITH) ", licence)
        and ";" not in licence
        and all(_is_spdx(word) for word in re.split(r" AND | OR | WITH |[()]", licence) if word.strip())
    ):
        return {"expression": licence}
    return {"license": {"name": licence}}


def _is_spdx(word: str) -> bool:
    known = {
        "0BSD", "Bootloader-exception", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
        "CC0-1.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "HPND", "ISC",
        "LGPL-2.1-or-later",
        "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0",
        "Unlicense", "Zlib", "FTL", "OFL-1.1", "GCC-exception-3.1", "libpng-2.0",
    }  # fmt: skip
    return word.strip() in known
