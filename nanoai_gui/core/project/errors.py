"""Why a project cannot simply be opened or written: each with a sentence, and each with another way out."""

from __future__ import annotations

from pathlib import Path

from nanoai_gui.core.errors import NanoAIError, ReadError


class ProjectError(ReadError):
    """A project cannot simply be opened; ``path`` is its file, which stands as it stood."""

    def __init__(self, path: Path, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.path = path


class NotAProject(ProjectError):
    """The file is something else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, f"{path.name} is not a NanoAI project.", "Open a file that NanoAI has saved.")


class ProjectInUse(ProjectError):
    """Another window has it open."""

    def __init__(self, path: Path, holder: str = "") -> None:
        words = f" {holder}" if holder else ""
        super().__init__(
            path,
            f"{path.name} is open in another window of NanoAI{words}.",
            "Open it for reading only, or work on a copy.",
        )


class ProjectReadOnly(ProjectError):
    """The file, or its folder, may not be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            f"{path.name} may not be written, by its own permissions or those of its folder.",
            "Open it for reading only, or work on a copy.",
        )


class NewerProject(ProjectError):
    """It was saved by a newer NanoAI."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            path,
            f"{path.name} was saved by a newer NanoAI (format {version}), and was left as it is.",
            "Update NanoAI to open it.",
        )


class DamagedProject(ProjectError):
    """The file is damaged; what can be read of it may be saved into a new one."""

    def __init__(self, path: Path, what: str = "") -> None:
        detail = f" ({what})" if what else ""
        super().__init__(
            path,
            f"{path.name} is damaged{detail}.",
            "What can still be read can be put into a new project; the damaged file is kept.",
        )


class ProjectTrouble(NanoAIError):
    """The project could not be written just now; nothing is lost yet, as it is tried again."""


class ProjectBroken(ProjectTrouble):
    """The project takes these changes no more, however often it is tried: they must go into another file."""
