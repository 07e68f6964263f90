"""``python -m chromviz`` is ``chromviz``."""

from chromviz.cli import main

main()
