#!/bin/sh
# Removes the version of NanoAI in whose folder this lies, as install.sh put it there.
# Settings, trained models and projects stay.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
lib=$(dirname -- "$here")
case "$lib" in
    */lib/nanoai) prefix=${lib%/lib/nanoai} ;;
    *) echo "This is not where install.sh puts NanoAI; to remove it, delete the folder $here." >&2; exit 1 ;;
esac
was_in_the_menu=
if [ "$(readlink -- "$prefix/bin/nanoai-gui" || true)" = "$here/nanoai-gui" ]; then
    was_in_the_menu=yes
    rm -f "$prefix/bin/nanoai" "$prefix/bin/nanoai-gui" "$prefix/share/applications/nanoai-gui.desktop"
    rm -f "$prefix/share/mime/packages/nanoai.xml"
    rm -f "$prefix"/share/icons/hicolor/*/apps/nanoai-gui.png "$prefix/share/icons/hicolor/scalable/apps/nanoai-gui.svg"
    if command -v update-desktop-database > /dev/null; then
        update-desktop-database -q "$prefix/share/applications" || true
    fi
    if command -v update-mime-database > /dev/null; then
        update-mime-database "$prefix/share/mime" || true
    fi
fi
rm -rf "$here"
rmdir "$lib" 2> /dev/null || true
echo "NanoAI is removed from $here; settings, models and projects stay where they are."
for other in "$lib"/*/install.sh; do
    if [ -n "$was_in_the_menu" ] && [ -x "$other" ]; then
        echo "Another version is still there; $other puts it into the menu."
    fi
done
