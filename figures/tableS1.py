"""Rebuild Table S1 from the result folder of ``chromviz suite``.

python figures/tableS1.py results/suite --out results/figures
"""

from chromviz.cli.results import rebuild

if __name__ == "__main__":
    raise SystemExit(rebuild("tableS1"))
