"""captum, imported without its messages.

In a notebook it would complain that its progress bars lack a library; chromviz shows none of them.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "IProgress not found")
    from captum.attr import (
        Deconvolution,
        DeepLift,
        FeatureAblation,
        GuidedBackprop,
        InputXGradient,
        Occlusion,
        Saliency,
    )
    from captum.metrics import infidelity, sensitivity_max

__all__ = [
    "Deconvolution",
    "DeepLift",
    "FeatureAblation",
    "GuidedBackprop",
    "InputXGradient",
    "Occlusion",
    "Saliency",
    "infidelity",
    "sensitivity_max",
]
