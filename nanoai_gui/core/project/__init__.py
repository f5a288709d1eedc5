"""The project file: everything a person works on, in one SQLite database that is never behind by much.

:mod:`~nanoai_gui.core.project.store` reads and writes it, :mod:`~nanoai_gui.core.project.writer` does so in
a thread of its own, and :mod:`~nanoai_gui.core.project.opening` finds out what a file is, and a way where it
cannot simply be opened. :mod:`~nanoai_gui.core.project.schema` says what stands in it.
"""
