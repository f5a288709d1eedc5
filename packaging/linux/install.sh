#!/bin/sh
# Installs NanoAI for the person who runs this; needs no administrator rights.
#
#     ./install.sh              into ~/.local
#     ./install.sh --prefix DIR into DIR (bin, share and lib below it)
#
# Versions stand side by side, each in a folder of its own; the one installed last answers to "nanoai-gui".
set -eu

prefix="${HOME}/.local"
if [ "${1:-}" = "--prefix" ] && [ -n "${2:-}" ]; then
    prefix=$2
elif [ -n "${1:-}" ]; then
    echo "usage: $0 [--prefix DIR]" >&2
    exit 2
fi
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
name=$(basename -- "$here")
[ -x "$here/nanoai-gui" ] || { echo "There is no program beside this script." >&2; exit 1; }

mkdir -p "$prefix/lib/nanoai" "$prefix/bin" "$prefix/share/applications"
prefix=$(CDPATH= cd -- "$prefix" && pwd)
target="$prefix/lib/nanoai/$name"
if [ "$here" != "$target" ]; then
    # Whole or not at all: a copy that stops half way never takes the place of a program that works.
    rm -rf "$target.new"
    cp -R "$here" "$target.new"
    rm -f "$target.new/portable"
    rm -rf "$target"
    mv "$target.new" "$target"
fi
for command in nanoai nanoai-gui; do
    ln -sfn "$target/nanoai-gui" "$prefix/bin/$command"
done
cp -R "$target/share/icons" "$target/share/mime" "$prefix/share/"
# Programs whose path holds a space or a quote must be quoted in a desktop entry.
quoted=$(printf '%s' "$target/nanoai-gui" | sed -e 's/[\\"`$]/\\&/g' -e 's/[\\&|]/\\&/g')
sed "s|@PROGRAM@|\"$quoted\"|" "$target/share/applications/nanoai-gui.desktop" \
    > "$prefix/share/applications/nanoai-gui.desktop"
# Absent on a bare system; the desktop then notices by itself when it starts next.
if command -v update-desktop-database > /dev/null; then
    update-desktop-database -q "$prefix/share/applications" || true
fi
if command -v update-mime-database > /dev/null; then
    update-mime-database "$prefix/share/mime" || true
fi
echo "NanoAI is installed in $target."
echo "Start it from the menu of applications, or with $prefix/bin/nanoai-gui; remove it with $target/uninstall.sh."
