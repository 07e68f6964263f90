"""Genes: where they begin, how much they are expressed, and what they are called."""
