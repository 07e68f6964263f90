"""Rebuild Figure 2 from the result folder of ``chromviz compare``.

python figures/figure2.py results/K562 --out results/figures
"""

from chromviz.cli.results import rebuild

if __name__ == "__main__":
    raise SystemExit(rebuild("figure2"))
