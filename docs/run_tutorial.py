"""Run the tutorial in its own folder and cache, and compare it with the stored outputs.

``python docs/run_tutorial.py`` fails on an error, on output to stderr, on output of another kind,
and on text or numbers that differ from the stored ones. Cells tagged ``trained`` show results of
training, which rounds differently on another processor: if the hash of a model differs from the
stored one, only the words of these cells are compared, not their numbers, and the last line says
so. ``--store`` writes the new outputs into the notebook.
"""

from __future__ import annotations

import argparse
import base64
import io
import math
import os
import re
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image
from traitlets.config import Config

from chromviz import provenance

NOTEBOOK = Path(__file__).with_name("tutorial.ipynb")

# How much a number may differ: by the last digit shown, or by any amount if it comes from training
# on another processor, because attention can depend on rounding.
SAME, OTHER = 0.0101, math.inf
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")
_HASH = re.compile(r"\b[0-9a-f]{12}\b")
_KEPT = ("text/plain", "text/html", "image/png")


def run(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook with new outputs, without paths, times or machine."""
    fresh = nbformat.from_dict(notebook)
    with tempfile.TemporaryDirectory() as folder:
        place = {
            "CHROMVIZ_CACHE": f"{folder}/cache",
            "IPYTHONDIR": f"{folder}/ipython",
            # The debugger warns otherwise, on stderr.
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        # Sockets in this folder cannot be reached by other users.
        sockets = {"transport": "ipc", "ip": f"{folder}/k", "connection_file": f"{folder}/k.json"}
        work = Path(folder) / "work"
        work.mkdir()
        client = NotebookClient(
            fresh,
            timeout=600,
            kernel_name="python3",
            record_timing=False,
            config=Config({"KernelManager": sockets}),
            resources={"metadata": {"path": str(work)}},
        )
        client.execute(env={**os.environ, **place})
    fresh.metadata = notebook.metadata  # without the version of this Python
    for cell in fresh.cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                if "data" in output:
                    output.data = {key: output.data[key] for key in _KEPT if key in output.data}
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = _small(output.data["image/png"])
    return fresh


def _small(png: str) -> str:
    """Return an opaque picture without its alpha channel, well compressed."""
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    picture.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode() + "\n"


def same_models(stored: nbformat.NotebookNode, fresh: nbformat.NotebookNode) -> bool:
    """Return whether the hashes of data and models equal the stored ones."""
    before, after = (
        [_HASH.findall(text) for cell in one.cells for _, text in _shown(cell)]
        for one in (stored, fresh)
    )
    return before == after


def differences(stored: nbformat.NotebookNode, fresh: nbformat.NotebookNode) -> list[str]:
    """Return one line for each new output that differs from the stored one."""
    trained = SAME if same_models(stored, fresh) else OTHER
    found = []
    for number, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
        before, after = _shown(old), _shown(new)
        if [kind for kind, _ in before] != [kind for kind, _ in after]:
            found.append(f"cell {number} shows {after} instead of {before}")
            continue
        may_move = trained if "trained" in old.metadata.get("tags", ()) else SAME
        for (kind, said), (_, says) in zip(before, after, strict=True):
            if kind == "stderr":
                found.append(f"cell {number} writes to stderr: {says}")
            elif not _alike(said, says, may_move):
                found.append(f"cell {number} shows\n{says}\ninstead of\n{said}")
    return found


def _shown(cell: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Return kind and text of each output; pictures have no text."""
    parts = []
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            parts.append((output.name, output.text))
        elif "image/png" in output.data:
            parts.append(("picture", ""))
        else:
            parts.append(("text", output.data["text/plain"]))
    return parts


def _alike(said: str, says: str, may_move: float) -> bool:
    """Return whether two texts have the same words and similar numbers."""
    texts = [_HASH.sub("#", text) for text in (said, says)]
    words = [_NUMBER.sub("0", text).split() for text in texts]
    numbers = [[float(one.replace(",", "")) for one in _NUMBER.findall(text)] for text in texts]
    return words[0] == words[1] and all(
        abs(one - two) <= may_move for one, two in zip(*numbers, strict=True)
    )


def main() -> None:
    """Run, and compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", action="store_true", help="write the outputs to the notebook")
    store = parser.parse_args().store
    stored = nbformat.read(NOTEBOOK, as_version=4)
    started = time.perf_counter()
    fresh = run(stored)
    seconds = time.perf_counter() - started
    if store:
        provenance.write_text(NOTEBOOK, nbformat.writes(fresh) + "\n")
        stored = fresh
    found = differences(stored, fresh)
    if found:
        raise SystemExit(
            "\n\n".join(["the outputs of the tutorial differ from the stored ones", *found])
        )
    print(f"the tutorial ran in {seconds:.0f} s; its outputs equal the stored ones")
    if not same_models(stored, fresh):
        print("its models differ from the stored ones, so numbers from training were not compared")


if __name__ == "__main__":
    main()
