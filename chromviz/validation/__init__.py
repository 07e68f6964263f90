"""Do the weights agree with something no model has seen? Statistics only, no torch."""

from chromviz.validation.agreement import table3
from chromviz.validation.profiles import coverage_profile, weight_profiles

__all__ = ["coverage_profile", "table3", "weight_profiles"]
