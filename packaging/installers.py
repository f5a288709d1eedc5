"""What turns the folder of the program into something a person can install: launchers, archives, packages."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINUX = ROOT / "packaging" / "linux"
DEB_DEPENDS = "libc6 (>= {glibc}), libgl1, libegl1, fontconfig-config, fonts-dejavu-core | fonts-liberation"
ICON_SIZES = (16, 24, 32, 48, 64, 128, 256)
PROVIDED = re.compile(r"(ld-linux|libc|libm|libdl|libpthread|librt|libutil|libresolv|libanl|libnsl)[-.]")
"""Libraries of glibc itself."""


def complete_folder(folder: Path, parts: Path, version: str) -> None:
    """Put beside the program what a person looks for first."""
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE.txt")
    for name in ("NOTICES.txt", "sbom.cdx.json"):
        inside = folder / "_internal" / name
        if sys.platform == "linux" and inside.exists():
            (folder / name).symlink_to(f"_internal/{name}")  # the program reads it there
        else:
            shutil.copy(parts / "notices" / name, folder / name)
    if sys.platform == "linux":
        (folder / "nanoai").symlink_to("nanoai-gui")  # the name that is easier to type
        shutil.copytree(LINUX / "share", folder / "share", dirs_exist_ok=True)
        for size in ICON_SIZES:
            target = folder / "share" / "icons" / "hicolor" / f"{size}x{size}" / "apps"
            target.mkdir(parents=True)
            shutil.copy(parts / f"nanoai-{size}.png", target / "nanoai-gui.png")
        scalable = folder / "share" / "icons" / "hicolor" / "scalable" / "apps"
        scalable.mkdir(parents=True)
        shutil.copy(parts / "nanoai.svg", scalable / "nanoai-gui.svg")
        for name in ("install.sh", "uninstall.sh"):
            shutil.copy(LINUX / name, folder / name)
            (folder / name).chmod(0o755)
    readme = (ROOT / "packaging" / "README.bundle.txt").read_text(encoding="utf-8")
    (folder / "README.txt").write_text(readme.replace("@VERSION@", version), encoding="utf-8")


def make_archives(folder: Path, dist: Path, build: Path, level: int) -> list[Path]:
    """Pack the folder the way that is usual on this system."""
    if sys.platform == "win32" or sys.platform == "darwin":
        kind = "zip" if sys.platform == "win32" else "gztar"
        return [Path(shutil.make_archive(str(folder), kind, dist, folder.name))]
    return [make_tar(folder, dist, level), make_deb(folder, dist, build)]


def make_tar(folder: Path, dist: Path, level: int) -> Path:
    """Make a .tar.xz that holds nothing of the person who made it."""
    target = dist / f"{folder.name}.tar.xz"
    target.unlink(missing_ok=True)

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        return entry

    with lzma.open(target, "wb", preset=level) as packed, tarfile.open(mode="w", fileobj=packed) as archive:
        archive.add(folder, folder.name, filter=anonymous)
    return target


def make_deb(folder: Path, dist: Path, build: Path) -> Path:
    """Make a Debian package: the program in /opt, its launchers where the desktop looks for them.

    A newer package takes the place of an older one, as is usual; the archive is for versions side by side.
    """
    version = folder.name.split("-")[1]
    root = build / "deb"
    shutil.rmtree(root, ignore_errors=True)
    place = Path("opt") / "nanoai"
    shutil.copytree(
        folder, root / place, symlinks=True, ignore=shutil.ignore_patterns("*install.sh", "share")
    )
    shutil.copytree(folder / "share", root / "usr" / "share", symlinks=True)
    bin_folder = root / "usr" / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("nanoai", "nanoai-gui"):
        (bin_folder / name).symlink_to(f"/{place}/nanoai-gui")
    notice = root / "usr" / "share" / "doc" / "nanoai"
    notice.mkdir(parents=True)
    shutil.copy(folder / "NOTICES.txt", notice / "copyright")
    desktop = root / "usr" / "share" / "applications" / "nanoai-gui.desktop"
    desktop.write_text(desktop.read_text(encoding="utf-8").replace("@PROGRAM@", "/usr/bin/nanoai-gui"))
    control = root / "DEBIAN"
    control.mkdir()
    _, glibc = system_needs(folder)
    size = sum(file.lstat().st_size for file in root.rglob("*") if not file.is_dir()) // 1024
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    (control / "control").write_text(
        f"Package: nanoai\nVersion: {version}\nArchitecture: {architecture}\nSection: science\n"
        f"Priority: optional\nInstalled-Size: {size}\nDepends: {DEB_DEPENDS.format(glibc=glibc)}\n"
        "Maintainer: The NanoAI authors <nanoai@localhost>\n"
        "Description: primary particles in electron micrographs, classes in Raman maps\n"
        " NanoAI measures the primary particles of agglomerates in TEM and SEM images and\n"
        " classifies Raman spectra and maps, by point and click.\n",
        encoding="utf-8",
    )
    target = dist / f"nanoai_{version}_{architecture}.deb"
    # xz takes minutes longer than zstd here and saves little; dpkg knows zstd since Debian 12, Ubuntu 21.10.
    command: list[str | Path] = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z15", "--build", root, target]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return target


def system_needs(folder: Path) -> tuple[set[str], str]:
    """Libraries that the program takes from the system, and the oldest glibc it runs with (Linux)."""
    provided, needed, newest = set(), set(), (0, 0)
    for file in folder.rglob("*"):
        if file.is_dir() or not (".so" in file.name or file.name == "nanoai-gui"):
            continue
        provided.add(file.name)
        if file.is_symlink():
            continue
        data = file.read_bytes()
        if data[:4] != b"\x7fELF":
            continue
        needed |= set(_needed(data))
        versions = re.findall(rb"\0GLIBC_(\d+)\.(\d+)", data)
        newest = max([newest, *((int(a), int(b)) for a, b in versions)])
    foreign = {name for name in needed - provided if not PROVIDED.match(name)}
    return foreign, f"{newest[0]}.{newest[1]}"


def _needed(data: bytes) -> list[str]:
    """Names of the libraries that a 64-bit ELF file asks for."""
    (table,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    heads = [struct.unpack_from("<IIQQQQQQ", data, table + 56 * i) for i in range(count)]

    def offset(address: int) -> int:
        for kind, _, at, start, _, size, _, _ in heads:
            if kind == 1 and start <= address < start + size:
                return int(at + address - start)
        raise ValueError("an address outside of the file")

    dynamic = next((head for head in heads if head[0] == 2), None)
    if dynamic is None:
        return []
    tags = [struct.unpack_from("<QQ", data, dynamic[2] + 16 * i) for i in range(dynamic[5] // 16)]
    strings = next((offset(value) for tag, value in tags if tag == 5), 0)
    names = []
    for tag, value in tags:
        if tag == 1:
            start = strings + value
            names.append(data[start : data.index(b"\0", start)].decode())
    return names


def write_windows_version(path: Path, version: str) -> None:
    """Write the version resource that Windows shows among a program's properties."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:4])
    numbers += (0,) * (4 - len(numbers))
    strings = {
        "CompanyName": "The NanoAI authors",
        "FileDescription": "NanoAI: primary particle sizes and Raman maps",
        "FileVersion": version,
        "InternalName": "nanoai-gui",
        "LegalCopyright": "GNU General Public License, version 3 or later",
        "OriginalFilename": "nanoai-gui.exe",
        "ProductName": "NanoAI",
        "ProductVersion": version,
    }
    entries = ", ".join(f"StringStruct({key!r}, {value!r})" for key, value in strings.items())
    path.write_text(
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, flags=0,"
        f" OS=0x40004, fileType=1, subtype=0, date=(0, 0)),"
        f" kids=[StringFileInfo([StringTable('040904B0', [{entries}])]),"
        " VarFileInfo([VarStruct('Translation', [1033, 1200])])])\n",
        encoding="utf-8",
    )
