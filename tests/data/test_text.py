import gzip
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data import text
from chromviz.data.text import iter_lines, read_lines
from chromviz.errors import ChromvizError

PIECES = st.lists(st.sampled_from(["a", "é", "\r", "\n", "\r\n", "\x0c", "\u2028", "\ufeff", "bc"]))


@given(PIECES, st.integers(1, 5), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_lines_are_the_same_however_the_file_is_cut(tmp_path, pieces, chunk, zipped):
    whole = "".join(pieces)
    path = tmp_path / "any.txt"
    path.write_bytes(gzip.compress(whole.encode()) if zipped else whole.encode())
    wanted = re.split(r"\r\n|\r|\n", whole.removeprefix("\ufeff"))
    wanted = wanted[:-1] if wanted[-1] == "" else wanted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK", chunk)
        assert list(iter_lines(path)) == wanted
    assert read_lines(path) == wanted


def test_what_is_wrong_at_the_end_is_raised_there(tmp_path):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"".join(b"line %d\n" % i for i in range(500_000)))[:-20])
    lines = iter_lines(path)
    assert next(lines) == "line 0"
    with pytest.raises(ChromvizError, match="damaged or cut-off gzip"):
        list(lines)


@pytest.mark.parametrize("content", [b"good\n\xff\n", b"good\na\0b\n", b"good\n\xc3"])
def test_not_text(tmp_path, content):
    path = tmp_path / "any.txt"
    path.write_bytes(content)
    with pytest.raises(ChromvizError, match="not a text file"):
        read_lines(path)
