"""Rebuild Table 3 from result folders of ``chromviz compare``, one a cell type.

python figures/table3.py results/H1-hESC results/GM12878 results/K562 --out results/figures
"""

from chromviz.cli.results import rebuild

if __name__ == "__main__":
    raise SystemExit(rebuild("table3"))
