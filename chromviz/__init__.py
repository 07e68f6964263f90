"""Explain models of gene expression from chromatin, and judge the explanations."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("chromviz")
except PackageNotFoundError:  # a source tree on sys.path, not installed
    __version__ = "0.0.0"
