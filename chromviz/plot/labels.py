"""How figures and tables call methods and models: for people, never as identifiers."""

from __future__ import annotations

#: Methods that explain no model: what an explanation has to beat.
CONTROLS = ("raw_signal", "tss_distance", "uniform", "random")
METHOD_LABELS: dict[str, str] = {
    "alpha": "α map",
    "beta": "β map",
    "alpha_beta": "α × β map",
    "attention_entropy": "attention entropy",
    "saliency": "saliency (signed)",
    "saliency_absolute": "saliency (absolute)",
    "class_optimization": "class optimization",
    "coefficients": "coefficients",
    "importances": "importances",
    "input_x_gradient": "input × gradient",
    "integrated_gradients": "integrated gradients",
    "gradient_shap": "GradientSHAP",
    "deep_lift": "DeepLIFT",
    "smoothgrad": "SmoothGrad",
    "guided_backprop": "guided backpropagation",
    "deconvolution": "deconvolution",
    "occlusion": "occlusion",
    "feature_ablation": "feature ablation",
    "shapley_sampling": "Shapley values",
    "raw_signal": "raw signal",
    "tss_distance": "distance to the TSS",
    "uniform": "uniform",
    "random": "random",
}
MODEL_LABELS: dict[str, str] = {
    "lstm-alpha-beta": "LSTM-α,β",
    "lstm-alpha": "LSTM-α",
    "lstm-attn": "LSTM-Attn",
    "lstm": "LSTM",
    "cnn-attn": "CNN-Attn",
    "cnn-alpha-beta": "CNN-α,β",
    "deepchrome": "DeepChrome (CNN)",
    "attentivechrome-released": "AttentiveChrome (released)",
    "linear-regression": "linear regression",
    "logistic-regression": "logistic regression",
    "svm": "SVM",
    "random-forest": "random forest",
    "rules": "rules (RIPPER)",
}


def method_label(method: str) -> str:
    """Return how people call a method; an unknown name as it is."""
    return METHOD_LABELS.get(method, method)


def model_label(model: str) -> str:
    """Return how people call a model; an unknown name as it is.

    What was done to it, in brackets behind its name, stays: ``lstm-alpha (untrained)``.
    """
    name, bracket, done = model.partition(" (")
    return f"{MODEL_LABELS.get(name, name)}{bracket}{done}"
