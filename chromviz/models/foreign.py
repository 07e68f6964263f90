"""Models trained elsewhere: the AttentiveChrome checkpoints that its authors released.

Only tensors are read from a file. A checkpoint is a pickle, which can contain code that runs when
it is opened; ``torch.load(weights_only=True)`` builds only tensors and plain containers.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from chromviz import provenance
from chromviz.data.archives.fetch import fetch_files
from chromviz.data.inputs import cell_name
from chromviz.errors import ChromvizError, first_line
from chromviz.models import find_model
from chromviz.models.attentive import LSTMAlphaBeta
from chromviz.models.checkpoint import Card, TrainedModel, weights_hash
from chromviz.progress import SILENT, Reporter
from chromviz.vocabulary import MARKS

#: The registered architecture that released weights are loaded into.
RELEASED = "attentivechrome-released"

#: Keys under which training scripts save a state_dict.
_NESTED = ("state_dict", "model_state_dict", "model", "net", "weights")

#: Prefixes that wrappers add to each key (``DataParallel``, a module inside another).
_PREFIXES = ("module.", "model.")


class ReleasedAttentiveChrome(LSTMAlphaBeta):
    """LSTM-α,β as its authors released it: the same network on raw read counts.

    Its transform is the identity; 55,681 parameters.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__(n_marks, n_bins)
        self.bins.transform = nn.Identity()


def import_released(
    cell: str,
    file: Path | None,
    folder: Path,
    *,
    base_url: str | None = None,
    reporter: Reporter = SILENT,
) -> TrainedModel:
    """Import the released AttentiveChrome of a cell type; without `file`, download it first."""
    name = cell_name(cell)
    if file is None:
        found = fetch_files([name], ["weights"], folder, base_url=base_url, reporter=reporter)
        file = found.find("weights", name)[0].path
    return import_attentivechrome(file, cell=name)


def import_attentivechrome(
    path: Path, *, cell: str, marks: Sequence[str] = MARKS, n_bins: int = 100, bin_width: int = 100
) -> TrainedModel:
    """Read a released AttentiveChrome checkpoint: a ``state_dict``, or a dict that contains one.

    The file does not say what it was trained on, so the caller has to: cell type, marks in the
    order of the columns, number of bins and their width in bp. Logits, α and β equal those of the
    released network to 1e-5.
    """
    marks = tuple(marks)
    _check_claims(cell, marks, n_bins, bin_width)
    content = _load(path)
    source = {"source_file": path.name, "source_sha256": provenance.hash_file(path)}
    found = _state_dict(content, path)
    module = find_model(RELEASED).build(len(marks), n_bins)
    own = module.state_dict()
    plan = _plan(len(marks))
    _check_keys(found, plan, marks, path)
    state = {
        name: torch.stack([_tensor(found[key], key, _shape(name, own), path) for key in keys])
        for name, keys in plan.items()
    }
    module.load_state_dict({name: value.reshape(own[name].shape) for name, value in state.items()})
    unknown = ("best_epoch", "valid_auc", "valid_loss", "test_auc", "epochs", "seconds")
    trained_on: dict[str, Any] = {"marks": marks, "n_bins": n_bins, "bin_width": bin_width}
    trained_on |= {"cell": cell, "signal_unit": "read counts", "simulated": 0, "dataset_hash": ""}
    how: dict[str, Any] = {"settings": {}, "seed": None, "device": "", "genes": {}, "curve": []}
    card = Card(
        name=RELEASED,
        **trained_on,
        **how,
        metrics=dict.fromkeys(unknown),
        weights_hash=weights_hash(module),
        stamp={**provenance.stamp(), **source},
    )
    return TrainedModel(module.eval(), card)


def _check_claims(cell: str, marks: tuple[str, ...], n_bins: int, bin_width: int) -> None:
    """Refuse an impossible description."""
    if not cell.strip():
        raise ChromvizError("the cell type that the checkpoint was trained on must be named")
    if not marks or len(set(marks)) != len(marks):
        raise ChromvizError(
            f"the checkpoint's marks must be named, each once; given: {', '.join(marks) or 'none'}"
        )
    if n_bins < 1 or bin_width < 1:
        raise ChromvizError(
            f"the checkpoint's bins must be at least 1, of at least 1 bp; not {n_bins} bins of "
            f"{bin_width} bp"
        )


def _load(path: Path) -> Any:
    """Read tensors and plain containers from a file that ``torch.save`` wrote."""
    try:
        with path.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats
            _check_sums(handle, path)
            handle.seek(0)
            return torch.load(handle, map_location="cpu", weights_only=True)
    except ChromvizError:
        raise
    except OSError as error:
        raise ChromvizError(
            f"cannot read the checkpoint {path} ({error.strerror or first_line(error)})"
        ) from None
    # On arbitrary bytes, its unpickler raises arbitrary exceptions.
    except Exception as error:  # noqa: BLE001
        raise ChromvizError(_why_not(path, error)) from None


def _check_sums(handle: BinaryIO, path: Path) -> None:
    """Refuse a zip archive with a wrong checksum, which torch does not check."""
    if not zipfile.is_zipfile(handle):
        return  # torch's older format without checksums, or another file
    with zipfile.ZipFile(handle) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ChromvizError(
            f"{path} is damaged (the checksum of {_show(broken)} is wrong); download or copy it "
            "again"
        )


def _why_not(path: Path, error: Exception) -> str:
    """Return one line on why torch did not read a file."""
    text = str(error)
    remedy = "if you trust it, save its weights with torch.save(model.state_dict(), file)"
    holder = re.search(r"GLOBAL ([\w.]+)", text)
    if isinstance(error, pickle.UnpicklingError) and holder:
        return (
            f"{path} holds pickled objects ({_show(holder[1])}), and loading them would run code "
            f"from the file; a state_dict is needed: {remedy}"
        )
    if "TorchScript" in text:
        return f"{path} is a TorchScript program, not a state_dict; {remedy}"
    with path.open("rb") as handle:
        start = handle.read(2)
    if not start:
        return f"the checkpoint {path} is empty; download or copy it again"
    kind = "a zip archive, but cut short, damaged, or" if start == b"PK" else "damaged or"
    return (
        f"{path} is {kind} not written by torch.save; download or copy it again. Other pickles are "
        f"not opened, because that can run code from the file; {remedy}"
    )


def _state_dict(content: Any, path: Path) -> dict[str, torch.Tensor]:
    """Find the state_dict in the content of a file, and remove the prefixes of wrappers."""
    if not isinstance(content, Mapping):
        raise ChromvizError(
            f"{path} holds a {type(content).__name__}, not a state_dict (tensors by name)"
        )
    candidates = [content, *(content.get(name) for name in _NESTED)]
    found: dict[str, torch.Tensor] = dict(next(filter(_names_tensors, candidates), {}) or {})
    if not found:
        raise ChromvizError(
            f"{path} holds no state_dict (tensors by name), neither itself nor under "
            f"{', '.join(_NESTED)}; its keys: {_some(content)}"
        )
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in found):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def _names_tensors(item: Any) -> bool:
    return (
        isinstance(item, Mapping)
        and bool(item)
        and all(isinstance(key, str) for key in item)
        and all(isinstance(value, torch.Tensor) for value in item.values())
    )


def _plan(n_marks: int) -> dict[str, list[str]]:
    """Return which released tensors, stacked over (direction, mark), give each of ours."""
    bins, over_marks = [f"rnn_hms.{mark}" for mark in range(n_marks)], ["hm_level_rnn_1"]
    plan = {"output.weight": ["fdiff1_1.weight"], "output.bias": ["fdiff1_1.bias"]}
    for ours, theirs in (("bins.lstm", bins), ("lstm", over_marks)):
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            plan[f"{ours}.{kind}"] = [
                f"{level}.rnn.{kind}_l0{direction}"
                for direction in ("", "_reverse")
                for level in theirs
            ]
    for ours, theirs in (("bins.attention", bins), ("mark_attention", over_marks)):
        plan[f"{ours}.context"] = [f"{level}.bin_attention.bin_context_vector" for level in theirs]
    return plan


def _shape(name: str, own: Mapping[str, torch.Tensor]) -> tuple[int, ...]:
    """Return the shape of each released tensor that is part of one of ours."""
    shape = tuple(own[name].shape)
    if name.endswith(".context"):
        return (shape[1], 1)
    return shape if name.startswith("output.") else shape[2:]


def _check_keys(
    found: Mapping[str, torch.Tensor],
    plan: Mapping[str, list[str]],
    marks: tuple[str, ...],
    path: Path,
) -> None:
    """Refuse other networks, another number of marks, and missing or unknown tensors."""
    expected = [key for keys in plan.values() for key in keys]
    if not found.keys() & set(expected):
        own = any(key.endswith("transform.scale") for key in found)
        hint = " (it is a network of chromviz itself, which needs no import)" if own else ""
        raise ChromvizError(
            f"{path} is not a released AttentiveChrome{hint}; its keys: {_some(found)}; expected: "
            f"{_some(expected)}"
        )
    indices = {hit[1] for key in found if (hit := re.match(r"rnn_hms\.(\d+)\.", key))}
    if len(indices) > len(marks):
        raise ChromvizError(
            f"{path} reads {len(indices)} marks, but {len(marks)} are named "
            f"({', '.join(marks)}); name its marks in the order of its input"
        )
    missing = [key for key in expected if key not in found]
    if missing:
        raise ChromvizError(
            f"{path} lacks {len(missing)} of the {len(expected)} tensors of a released "
            f"AttentiveChrome with {len(marks)} marks: {_some(missing)}"
        )
    unknown = sorted(found.keys() - set(expected))
    if unknown:
        raise ChromvizError(
            f"{path} has more than the released AttentiveChrome ({_some(unknown)}); it may be "
            "another version of the network"
        )


def _tensor(value: torch.Tensor, key: str, shape: tuple[int, ...], path: Path) -> torch.Tensor:
    """Return one tensor as float32, after checking its shape, type and values."""
    if tuple(value.shape) != shape:
        raise ChromvizError(
            f"{path}: {key} has shape {tuple(value.shape)}; the released AttentiveChrome has "
            f"{shape}"
        )
    if not value.is_floating_point() or value.layout != torch.strided or value.is_meta:
        kind = "without values" if value.is_meta else f"{value.layout}, {value.dtype}"
        raise ChromvizError(
            f"{path}: {key} is {kind.replace('torch.', '')}; weights must be dense floating point"
        )
    number = value.detach().float()
    if not bool(number.isfinite().all()):
        raise ChromvizError(f"{path}: {key} holds NaN or values that are infinite in float32")
    return number


def _some(keys: Iterable[Any], limit: int = 4) -> str:
    """List a few names from a file."""
    names = [_show(key) for key in keys]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "none"


def _show(name: Any) -> str:
    """Return a name from a file as printable text on one line, shortened if it is long."""
    text = name if isinstance(name, str) and name.isprintable() else repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."
