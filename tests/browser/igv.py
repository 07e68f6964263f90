"""The copy of igv.js that a test opens sessions with: ``make igv`` fetches it, once."""

import base64
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import requests

from chromviz import provenance

VERSION = "3.8.10"
#: Of the package, as the registry states it.
SHA512 = "foqT9SJHoKvVXl7euYUsOy7XMs1nTrPeJMQbGRp7qWU7a6HzF345FER/nHUTdsL5cumaoAe19gDmJYsEHO08rw=="

SCRIPT = Path(sys.prefix) / f"igv-{VERSION}" / "igv.min.js"


def fetch():
    """Put the script into the virtual environment, if it is not there."""
    if SCRIPT.exists():
        return
    answer = requests.get(f"https://registry.npmjs.org/igv/-/igv-{VERSION}.tgz", timeout=60)
    answer.raise_for_status()
    found = base64.b64encode(hashlib.sha512(answer.content).digest()).decode()
    if found != SHA512:
        raise SystemExit(f"igv {VERSION} has another checksum than the one known: {found}")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as package:
        script = package.extractfile("package/dist/igv.min.js").read()
    with provenance.atomic_path(SCRIPT) as temporary:
        temporary.write_bytes(script)


if __name__ == "__main__":
    fetch()
