"""Rebuild Table 1; it needs no result folder.

python figures/table1.py --out results/figures
"""

from chromviz.cli.results import rebuild

if __name__ == "__main__":
    raise SystemExit(rebuild("table1"))
