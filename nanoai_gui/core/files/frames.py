"""What a reader of foreign files hands over: images not yet decoded, and what the file claims about them."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.errors import NanoAIError, ReadError

logger = logging.getLogger(__name__)

LARGEST_PIXEL_COUNT = 2**31
"""No detector writes two thousand megapixels: a header that claims more is damaged."""


@dataclass(frozen=True, slots=True)
class PixelSize:
    """The pixel size a file claims, before anyone has judged it.

    Parameters
    ----------
    x_nm, y_nm
        Width and height of a pixel in nm; ``None`` when the file says nothing usable.
    detail
        Where the claim stands (``Zeiss tag 34118``).
    warnings
        Doubts, or why there is no usable claim, as sentences.
    """

    x_nm: float | None = None
    y_nm: float | None = None
    detail: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """One image of a file, as offered to a person.

    Parameters
    ----------
    index
        What :func:`~nanoai_gui.core.files.micrographs.read_micrograph` takes as ``frame``.
    label
        Name in the file, or its number.
    shape
        Height and width in px, as stored.
    recommended
        True for exactly one image: the one that opens when nobody chooses (the clean page of two).
    """

    index: int
    label: str
    shape: tuple[int, int]
    recommended: bool = False


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a file, ready to be decoded while the file is open.

    Parameters
    ----------
    label
        Name in the file; empty when it has none.
    shape
        Height and width in px.
    load
        Decodes the image: (height, width) or (height, width, 3 or 4), any numeric type, or the
        structured R, G, B, A records of DigitalMicrograph.
    pixel_size
        What the file claims.
    preference
        The frame with the highest one is recommended; the first of equals wins.
    image_height
        Rows that are image according to the metadata; what follows is a data bar. ``None``: unknown.
    metadata
        Facts worth showing, as text.
    warnings
        Sentences about the image itself.
    """

    label: str
    shape: tuple[int, int]
    load: Callable[[], NDArray[Any]]
    pixel_size: PixelSize = PixelSize()
    preference: int = 0
    image_height: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@contextmanager
def reading(
    path: Path, advice: str = "Copy it again, or export it as TIFF from the microscope's software."
) -> Iterator[None]:
    """Turn whatever a library throws while it reads ``path`` into one sentence, and log its warnings.

    Parameters
    ----------
    advice
        What to do about a file that is damaged or of an unknown variant.

    Raises
    ------
    ReadError
        For every failure except those NanoAI has already put into words.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            before = _state(path)
            yield
            # A file cut while it is read can come out as an image whose rest is zeros.
            if _state(path) != before:
                raise ReadError(
                    f"{path.name} was changed while it was being read.",
                    "Open it again once it is completely written.",
                )
        except (NanoAIError, OperationCancelled):
            raise
        except FileNotFoundError as error:
            raise ReadError(
                f"{path.name} is not there (any more).", "Check the folder or the drive, then add it again."
            ) from error
        except PermissionError as error:
            raise ReadError(f"{path.name} may not be read.", "Check the permissions of the file.") from error
        except MemoryError as error:
            raise ReadError(
                f"{path.name} does not fit into memory, or its header is damaged.",
                "Close other programs, or export a smaller part from the instrument's software.",
            ) from error
        except Exception as error:
            logger.info("%s could not be read", path, exc_info=error)
            # Libraries leave files open when they fail; this closes them now, not at some later time.
            traceback.clear_frames(error.__traceback__)
            raise ReadError(
                f"{path.name} cannot be read: it is damaged, incomplete or of an unknown variant.",
                advice,
            ) from error
        finally:
            for warning in caught:
                logger.info("%s: %s", path.name, warning.message)


def _state(path: Path) -> tuple[int, int, int]:
    """Give what changes when a file is written to or replaced."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


class _Quiet(logging.Handler):
    """Passes what a library says on to NanoAI's log, where it belongs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        logger.info("%s: %s", record.name, record.getMessage())


def quieten(library: str) -> None:
    """Keep a library from writing to the person's terminal; call it after importing the library."""
    log = logging.getLogger(library)
    if not (len(log.handlers) == 1 and isinstance(log.handlers[0], _Quiet)):
        log.handlers[:] = [_Quiet()]
        log.propagate = False


def check_claimed_size(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a header that claims no pixels or impossibly many, before anything is allocated.

    Raises
    ------
    ReadError
        If the shape is empty or larger than any detector's.
    """
    count = 1
    for length in shape:
        count *= int(length)
    if count == 0:
        raise ReadError(f"{path.name} holds an image without pixels.", "Export the image again.")
    if count > LARGEST_PIXEL_COUNT:
        raise ReadError(
            f"{path.name} claims {' x '.join(str(n) for n in shape)} values: its header is damaged.",
            "Copy the file again from the microscope.",
        )


def truncated(path: Path) -> ReadError:
    """Say that the end of a file is missing."""
    return ReadError(f"{path.name} is incomplete: its end is missing.", "Copy it again from the microscope.")
