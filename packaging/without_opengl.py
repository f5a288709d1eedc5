"""Runs first in the standalone program: stands in for Qt's OpenGL modules, 11 MB that nothing is drawn with.

pyqtgraph loads them whether it draws with OpenGL or not, and derives one class from theirs. NanoAI paints in
memory, as a computer in a laboratory may have no graphics driver worth the name: the class is never made.
"""

import sys
import types


class _QtOpenGLWidgets(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        if name != "QOpenGLWidget":
            raise AttributeError(f"the standalone program has no {name}: it draws without OpenGL")
        from PySide6.QtWidgets import QWidget

        return QWidget


sys.modules["PySide6.QtOpenGL"] = types.ModuleType("PySide6.QtOpenGL")
sys.modules["PySide6.QtOpenGLWidgets"] = _QtOpenGLWidgets("PySide6.QtOpenGLWidgets")
