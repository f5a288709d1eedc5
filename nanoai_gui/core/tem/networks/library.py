"""The models a person has trained: named files in the user's data folder, each usable by one method."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanoai_gui.core.errors import ParameterError, ReadError
from nanoai_gui.core.files.atomic import make_folder
from nanoai_gui.core.folders import data_folder
from nanoai_gui.core.models import load_model
from nanoai_gui.core.tem.networks.model import KIND, save_tem_model

if TYPE_CHECKING:
    from nanoai_gui.core.tem.networks.model import TemModel

METHOD_OF_FEATURES: dict[str, str] = {"region-13": "ann", "rich": "ann-rich"}
"""The sizing method that takes models of each feature set."""
LONGEST_NAME = 60
_SUFFIX = ".zip"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


@dataclass(frozen=True)
class UserModel:
    """A model in the user's folder; ``feature_set`` is the name of the one it needs."""

    name: str
    path: Path
    feature_set: str
    card: Mapping[str, Any]


def models_folder() -> Path:
    """Name the folder of the user's models (it may not exist yet)."""
    return data_folder() / "models"


def check_name(name: str) -> str:
    """Give a name of a model without outer spaces, if it can be one on every system.

    Raises
    ------
    ParameterError
        If it is empty, too long, or holds what a file name cannot.
    """
    name = name.strip()
    if not name:
        raise ParameterError("A model needs a name.")
    if len(name) > LONGEST_NAME:
        raise ParameterError(f"The name is longer than {LONGEST_NAME} characters.", "Choose a shorter one.")
    if re.search(r'[<>:"/\\|?*\x00-\x1f]', name) or name.endswith(".") or name.startswith("."):
        raise ParameterError(
            "The name holds characters that a file name cannot.", "Use letters, digits, spaces and hyphens."
        )
    if name.split(".")[0].casefold() in _RESERVED:
        raise ParameterError(f"A file cannot be called {name} on every system.", "Choose another name.")
    return name


def model_path(name: str) -> Path:
    """Give the file of a model of the user.

    Raises
    ------
    ParameterError
        If no model can have that name.
    """
    return models_folder() / f"{check_name(name)}{_SUFFIX}"


def find_file(chosen: str) -> Path:
    """Give the file that a person means by the name of a model of theirs or by the path of a model file.

    Raises
    ------
    ParameterError
        If it is no path, and no model can have that name.
    """
    is_path = "/" in chosen or os.sep in chosen or chosen.lower().endswith(_SUFFIX)
    return Path(chosen) if is_path else model_path(chosen)


def method_of(path: Path) -> str:
    """Name the sizing method that measures with the model in a file.

    Raises
    ------
    ReadError
        If it is no model of these networks.
    """
    try:
        return METHOD_OF_FEATURES[str(load_model(path, KIND, card_only=True).card["feature_set"]["name"])]
    except (KeyError, TypeError) as error:
        raise ReadError(f"{path.name} needs features that this NanoAI does not have.") from error


def list_models(feature_set: str | None = None) -> tuple[UserModel, ...]:
    """List the user's models, those of one feature set only if it is given; others' files are passed over."""
    try:
        paths = sorted(p for p in models_folder().iterdir() if p.suffix == _SUFFIX)
    except OSError:
        return ()
    found = []
    for path in paths:
        try:
            card = load_model(path, KIND, card_only=True).card
            features = str(card["feature_set"]["name"])
        except (ReadError, KeyError, TypeError):
            continue
        if feature_set in (None, features):
            found.append(UserModel(path.stem, path, features, card))
    return tuple(found)


def model_options(feature_set: str) -> tuple[tuple[str, str], ...]:
    """Offer the shipped model (an empty text) and the user's models of a feature set."""
    return ("", "Shipped with NanoAI"), *((m.name, m.name) for m in list_models(feature_set))


def save_user_model(name: str, model: TemModel) -> Path:
    """Put a model into the user's folder under a new name.

    A name is never taken twice: results say by which model they were measured.

    Raises
    ------
    ParameterError
        If the name is taken or cannot be one.
    WriteError
        If the file cannot be written.
    """
    path = model_path(name)
    if path.exists():
        raise ParameterError(f"There is already a model called {path.stem}.", "Choose another name.")
    make_folder(path.parent)
    save_tem_model(path, dataclasses.replace(model, card={**model.card, "name": path.stem}))
    return path
