"""Options that several commands share, and commands whose arguments are groups of options.

A group is a dataclass; a command that takes one shows its fields as options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.models import OptionInfo

from chromviz.cli.app import app, live

# The panels of the help, in this order. Those of single commands stand before "Computation".
INPUT, METHOD, RUN, OUTPUT = "Input", "Models and methods", "Computation", "Output"
_ORDER = {INPUT: 0, METHOD: 1, RUN: 3, OUTPUT: 4}


def option(panel: str, text: str, default: Any = ..., *names: str, **more: Any) -> Any:
    """Return an option with its help; its name is that of the argument unless `names` are given."""
    if "min" in more:
        more["metavar"] = "<int>"  # and not the range, which takes half a line
    return typer.Option(default, *names, help=text, rich_help_panel=panel, **more)


def example_lines(*examples: str) -> str:
    """Return examples as the end of a help text."""
    return "\n\n".join(["Example:" if len(examples) == 1 else "Examples:", *examples])


def command(
    panel: str, *examples: str, name: str | None = None, to: typer.Typer = app, **instead: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that makes a function a command, shown in a panel, with examples.

    `instead` are options of this command in place of those of the same name in a group.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        groups: dict[str, Any] = {key: hint for key, hint in hints.items() if is_dataclass(hint)}
        parameters = []
        for key, parameter in inspect.signature(function).parameters.items():
            own, shown = hints, {key: parameter}
            if key in groups:
                own = get_type_hints(groups[key], include_extras=True)
                shown = dict(inspect.signature(groups[key]).parameters)
            parameters += [
                _parameter(item, own[item], instead.get(item, one.default))
                for item, one in shown.items()
            ]

        def run(**values: Any) -> None:
            for key, group in groups.items():
                values[key] = group(**{one.name: values.pop(one.name) for one in fields(group)})
            function(**values)

        parameters.sort(key=_place)
        vars(run)["__signature__"] = inspect.Signature(parameters)
        run.__doc__ = function.__doc__
        to.command(
            name=name or function.__name__,
            epilog=example_lines(*examples),
            rich_help_panel=panel,
        )(run)
        return function

    return register


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    """Return a parameter for typer; a flag gets no ``--no-`` form."""
    if isinstance(default, OptionInfo) and default.default is False and not default.param_decls:
        default.param_decls = (f"--{name.replace('_', '-')}",)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=hint)


def _place(parameter: inspect.Parameter) -> int:
    """Return where the panel of an option stands in the help."""
    places = [parameter.default, *get_args(parameter.annotation)]
    panel = next((one.rich_help_panel for one in places if isinstance(one, OptionInfo)), INPUT)
    return _ORDER.get(str(panel), 2)


Cell = Annotated[str, option(INPUT, "Cell type: EID or common name, in any case.")]
Models = Annotated[
    str,
    option(
        METHOD,
        "Models, comma-separated: names, package.module:factory or model files.",
        ...,
        "--models",
        "--model",
    ),
]
Methods = Annotated[
    str, option(METHOD, "Methods, comma-separated. Default: all that can explain each model.")
]
DATA = option(
    INPUT, "Folder of datasets or of DeepChrome CSV. Default: the embedded, simulated data.", None
)
MIRROR = option(
    INPUT, "Mirror with each file at URL/HOST/PATH. Default: $CHROMVIZ_MIRROR, if set.", None
)
CHROM_SIZES = option(INPUT, "File of chromosome sizes, if the assembly is not built in.", None)
SEED = option(RUN, "Random seed.", 0, min=0)
QUIET = option(OUTPUT, "Do not show progress.", False, "--quiet", "-q")
JSON = option(OUTPUT, "Print the result as JSON.", False, "--json")


@dataclass(frozen=True)
class Compute:
    """How a recipe is run, under the names of its keywords."""

    seed: int = SEED
    seeds: int = option(RUN, "Number of seeds, starting at --seed; above 1, an ensemble.", 1, min=1)
    device: str = option(RUN, "Where to compute: cpu, cuda or cuda:1.", "cpu")


@dataclass(frozen=True)
class Shown:
    """How progress and the result are shown."""

    quiet: bool = QUIET
    as_json: bool = JSON


@dataclass(frozen=True)
class Job:
    """Where a recipe reads data and writes results, and how they are shown."""

    data: Path | None = DATA
    out: Path | None = option(OUTPUT, "Result folder. Default: a folder below results/.", None)
    quiet: bool = QUIET
    as_json: bool = JSON

    def run(self, recipe: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """Run a recipe with the options as its keywords, and show its progress."""
        own = {name: value for name, value in vars(self).items() if value is not None}
        del own["quiet"], own["as_json"]
        with live(self.quiet) as reporter:
            return recipe(*given, **options, **own, reporter=reporter)


@dataclass(frozen=True)
class Computed(Compute, Job):
    """The same, for a recipe that trains or extracts."""


@dataclass(frozen=True)
class Resampled(Computed):
    """The same, for a recipe that resamples genes."""

    n_bootstrap: int = option(RUN, "Number of resamples of genes.", 2000, "--bootstrap", min=0)
