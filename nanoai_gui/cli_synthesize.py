"""``nanoai-gui synthesize``: make images whose particles, and spectra whose classes, are known.

Every parameter of the generator is an option, built from its own description, so that window and command
line offer the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from nanoai_gui.core.parameters import ParameterSpec


def add_synthesize(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the sub-command."""
    synthesize = commands.add_parser(
        "synthesize",
        help="make synthetic images with known particles, or spectra with known classes",
        description="Make synthetic data whose truth is known.",
        epilog="examples:\n"
        "  nanoai-gui synthesize tem -n 10 --seed 1 --out synthetic --gmd-px 25\n"
        "  nanoai-gui synthesize raman -n 1350 --seed 1 --out synthetic",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = synthesize.add_subparsers(dest="kind", required=True, metavar="KIND", title="kinds")
    _add_tem(kinds)
    _add_raman(kinds)


def _add_tem(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from nanoai_gui.core.parameters import describe
    from nanoai_gui.core.tem.synthesis.presets import PRESETS
    from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec

    tem = kinds.add_parser(
        "tem",
        help="electron micrographs of agglomerates",
        description="Make electron micrographs of agglomerates, with every particle in DIR/truth.csv.\n"
        "The same options and seed give the same bytes, and image i does not depend on N.",
        epilog="examples:\n"
        "  nanoai-gui synthesize tem -n 10 --seed 1 --out synthetic --gmd-px 25 --gsd 1.4\n"
        "  nanoai-gui synthesize tem -n 1000 --seed 2 --out crops --preset training --single\n\n"
        "presets:\n" + "\n".join(f"  {p.name:<11} {p.title}" for p in PRESETS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tem.add_argument("-n", type=int, required=True, metavar="N", dest="number", help="how many images")
    tem.add_argument("--seed", type=int, required=True, metavar="S", help="any whole number from 0")
    tem.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the images")
    tem.add_argument(
        "--single", action="store_true", help="one agglomerate per image, in an image just large enough"
    )
    tem.add_argument(
        "--preset", choices=[p.name for p in PRESETS], default=PRESETS[0].name, metavar="NAME",
        help=f"what to start from, see below (default: {PRESETS[0].name}); the options below change it",
    )  # fmt: skip
    group = tem.add_argument_group("the images")
    for spec in describe(SynthesisSpec):
        _add_parameter(group, spec)
    tem.set_defaults(run=_run_tem)


def _add_raman(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from nanoai_gui.core.parameters import describe
    from nanoai_gui.core.spectra.synthesis.spec import RamanSpec

    raman = kinds.add_parser(
        "raman",
        help="Raman spectra of nanotubes in cells (illustrative)",
        description="Make Raman spectra of DNA-wrapped carbon nanotubes in endosomes and lysosomes:\n"
        "synthetic, illustrative. Writes spectra.csv (labelled, with dish, cell, map, region), other.csv\n"
        "(unlabelled, of a class no model knows), unlabelled maps at 0, 6 and 24 h, and in truth.csv the\n"
        "truth of each spectrum.\n"
        "The same options and seed give the same bytes, and spectrum i does not depend on N.",
        epilog="example:\n  nanoai-gui synthesize raman -n 1350 --seed 1 --out synthetic --dishes 4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    raman.add_argument(
        "-n", type=int, required=True, metavar="N", dest="number", help="how many labelled spectra"
    )
    raman.add_argument("--seed", type=int, required=True, metavar="S", help="any whole number from 0")
    raman.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the tables")
    raman.add_argument(
        "--maps", action=argparse.BooleanOptionalAction, default=True, help="make the unlabelled maps"
    )
    group = raman.add_argument_group("the spectra")
    for spec in describe(RamanSpec):
        _add_parameter(group, spec)
    raman.set_defaults(run=_run_raman)


def _run_raman(options: argparse.Namespace) -> int:
    from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
    from nanoai_gui.core.errors import NanoAIError, ParameterError
    from nanoai_gui.core.spectra.synthesis.spec import TIMES_H, RamanSpec
    from nanoai_gui.core.spectra.synthesis.write import write_spectra

    spec = RamanSpec(**_given(options, RamanSpec))
    maps = tuple(range(len(TIMES_H))) if options.maps else ()
    try:
        paths = write_spectra(spec, options.number, options.seed, options.out, maps=maps)
    except ParameterError as error:
        complain(str(error))
        return WRONG_USAGE
    except NanoAIError as error:
        complain(str(error))
        return INCOMPLETE
    print(f"{', '.join(path.name for path in paths)} and truth.csv are in {options.out}")
    return OK


def _given(options: argparse.Namespace, kind: type[DataclassInstance]) -> dict[str, Any]:
    """Collect the parameters that were named on the command line."""
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _add_parameter(group: argparse._ArgumentGroup, spec: ParameterSpec) -> None:
    flag = "--" + spec.name.replace("_", "-")
    unit = f" ({spec.unit})" if spec.unit and not flag.endswith(("-px", "-percent")) else ""
    text = f"{spec.label}{unit}. {spec.help}".strip().replace("%", "%%")
    options: dict[str, Any] = {"dest": spec.name, "default": None}
    if spec.choices:
        words = {choice.name.lower().replace("_", "-"): choice for choice in spec.choices}
        options |= {"type": partial(_choose, words), "metavar": "NAME"}
        text = f"{spec.label}: {', '.join(words)}. {spec.help}".strip()
    elif spec.type is bool:
        options["action"] = argparse.BooleanOptionalAction
    else:
        options |= {"type": spec.type, "metavar": "X"}
    group.add_argument(flag, help=text, **options)


def _choose(words: Mapping[str, enum.Enum], word: str) -> enum.Enum:
    if word not in words:
        raise argparse.ArgumentTypeError(f"{word!r} is not one of {', '.join(words)}")
    return words[word]


def _run_tem(options: argparse.Namespace) -> int:
    from nanoai_gui.cli import INCOMPLETE, OK, WRONG_USAGE, complain
    from nanoai_gui.core.errors import NanoAIError, ParameterError
    from nanoai_gui.core.tem.synthesis.presets import get_preset
    from nanoai_gui.core.tem.synthesis.spec import SynthesisSpec
    from nanoai_gui.core.tem.synthesis.write import write_images

    spec = dataclasses.replace(get_preset(options.preset), **_given(options, SynthesisSpec))
    try:
        paths = write_images(
            spec, options.number, options.seed, options.out, single_agglomerates=options.single
        )
    except ParameterError as error:
        complain(str(error))
        return WRONG_USAGE
    except NanoAIError as error:
        complain(str(error))
        return INCOMPLETE
    print(f"{len(paths)} images and truth.csv are in {options.out}")
    return OK
