"""Editing what was found in an image: every change is an edit made of patches that go both ways.

An :class:`~nanoai_gui.core.editing.document.ImageDocument` is the editable state of one image. Functions of
:mod:`~nanoai_gui.core.editing.labels` and :mod:`~nanoai_gui.core.editing.circles` look at it and give an
:class:`~nanoai_gui.core.editing.edit.Edit`; only ``document.apply`` changes it. The same edits serve undo,
the project file and repainting what changed.
"""
