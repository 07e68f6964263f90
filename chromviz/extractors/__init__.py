"""Explanations of a model, all behind :func:`chromviz.extractors.explain.extract`.

A package adds a method through the entry point group ``chromviz.methods``, which names a
:class:`~chromviz.catalog.Method`.
"""
