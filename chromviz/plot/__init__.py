"""Figures and tables from tidy tables: no statistics, no torch."""
