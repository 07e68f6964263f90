"""The paper's own numbers, for comparison beside ours."""

from __future__ import annotations

#: Table 3: Pearson's r by (method, model, cell). The paper does not say whether its saliency map
#: keeps the gradient's sign, so its value stands beside both kinds.
TABLE_3: dict[tuple[str, str, str], float] = {
    (method, model, cell): value
    for (method, model), values in {
        ("alpha", "lstm-alpha"): (0.8523, 0.8827, 0.9147),
        ("alpha", "lstm-alpha-beta"): (0.8995, 0.8456, 0.9027),
        ("class_optimization", "deepchrome"): (0.0562, 0.1741, 0.1116),
        ("saliency", "deepchrome"): (0.1822, -0.1421, 0.2238),
        ("saliency_absolute", "deepchrome"): (0.1822, -0.1421, 0.2238),
    }.items()
    for cell, value in zip(("E003", "E116", "E123"), values, strict=True)
}
