"""Rebuild Table 2 from the result folder of ``chromviz suite``.

python figures/table2.py results/suite --out results/figures
"""

from chromviz.cli.results import rebuild

if __name__ == "__main__":
    raise SystemExit(rebuild("table2"))
