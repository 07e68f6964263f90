"""The paper's networks written out in NumPy, one gene and one step at a time.

Algorithm S:1 and the LSTM of supplement S:1.3, from the paper's text alone; nothing here is
shared with the package.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(xs, w_ih, w_hh, b):
    """Hidden states of one LSTM over a sequence; gates in the order i, f, g, o."""
    size = w_hh.shape[1]
    h, c, states = np.zeros(size), np.zeros(size), []
    for x in xs:
        a = w_ih @ x + w_hh @ h + b
        i, f, g, o = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return states


def bidirectional(xs, w_ih, w_hh, b_ih, b_hh):
    """[forward h, backward h] at each step; parameters have a leading axis of directions."""
    forward = lstm(xs, w_ih[0], w_hh[0], b_ih[0] + b_hh[0])
    backward = lstm(xs[::-1], w_ih[1], w_hh[1], b_ih[1] + b_hh[1])[::-1]
    return [np.concatenate(pair) for pair in zip(forward, backward, strict=True)]


def attend(states, context):
    """The weighted sum of states and the weights."""
    scores = np.array([context @ h for h in states])
    weights = np.exp(scores) / np.exp(scores).sum()
    return sum(w * h for w, h in zip(weights, states, strict=True)), weights


def bin_level(x, p):
    """m of each mark and α, for one gene (mark, bin)."""
    vectors, alphas = [], []
    for j, row in enumerate(np.arcsinh(x) / p["bins.transform.scale"]):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        parameters = [p[f"bins.lstm.{name}"][:, j] for name in names]
        states = bidirectional([np.array([value]) for value in row], *parameters)
        vector, alpha = attend(states, p["bins.attention.context"][j])
        vectors.append(vector)
        alphas.append(alpha)
    return vectors, np.array(alphas)


def lstm_alpha_beta(x, p):
    """Logit, α and β of AttentiveChrome for one gene."""
    vectors, alpha = bin_level(x, p)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    states = bidirectional(vectors, *(p[f"lstm.{name}"][:, 0] for name in names))
    v, beta = attend(states, p["mark_attention.context"][0])
    return (p["output.weight"] @ v + p["output.bias"])[0], alpha, beta


def lstm_alpha(x, p):
    """Logit and α of LSTM-α for one gene."""
    vectors, alpha = bin_level(x, p)
    hidden = p["mlp.0.weight"] @ np.concatenate(vectors) + p["mlp.0.bias"]
    return (p["mlp.2.weight"] @ np.maximum(hidden, 0) + p["mlp.2.bias"])[0], alpha


def joint_states(x, p):
    """[forward h, backward h] at each bin of one LSTM that reads all marks, for one gene."""
    x = np.arcsinh(x) / p["transform.scale"]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return bidirectional(list(x.T), *(p[f"lstm.{name}"][:, 0] for name in names))


def joint_lstm(x, p):
    """Logit of the LSTM without attention for one gene."""
    states = joint_states(x, p)
    size = len(states[0]) // 2
    # Each direction's last state: of the backward one it is that at the first bin.
    last = np.concatenate([states[-1][:size], states[0][size:]])
    return (p["output.weight"] @ last + p["output.bias"])[0]


def lstm_attn(x, p):
    """Logit and α (bin,) of LSTM-Attn for one gene."""
    vector, alpha = attend(joint_states(x, p), p["bin_attention.context"][0])
    return (p["output.weight"] @ vector + p["output.bias"])[0], alpha


def convolve(x, kernel, bias):
    """ReLU of a convolution of (channel, step), one vector a step; outside the steps are zeros."""
    width, steps, maps = kernel.shape[2], x.shape[1], []
    for t in range(steps):
        total = bias.copy()
        for k in range(width):
            at = t + k - (width - 1) // 2
            if 0 <= at < steps:
                total += kernel[:, :, k] @ x[:, at]
        maps.append(np.maximum(total, 0))
    return maps


def cnn_attn(x, p):
    """Logit and α (bin,) of CNN-Attn for one gene."""
    x = np.arcsinh(x) / p["transform.scale"]
    maps = convolve(x, p["convolution.1.weight"], p["convolution.1.bias"])
    h, alpha = attend(maps, p["bin_attention.context"][0])
    h = np.maximum(p["mlp.0.weight"] @ h + p["mlp.0.bias"], 0)
    h = np.maximum(p["mlp.2.weight"] @ h + p["mlp.2.bias"], 0)
    off, on = p["mlp.4.weight"] @ h + p["mlp.4.bias"]
    return on - off, alpha


def cnn_alpha_beta(x, p):
    """Logit, α and β of CNN-α,β for one gene."""
    x = np.arcsinh(x) / p["transform.scale"]
    vectors, alphas = [], []
    for j, row in enumerate(x):
        mine = slice(64 * j, 64 * (j + 1))
        kernel, bias = p["convolution.1.weight"][mine], p["convolution.1.bias"][mine]
        vector, alpha = attend(convolve(row[None], kernel, bias), p["bin_attention.context"][j])
        vectors.append(vector)
        alphas.append(alpha)
    kernel, bias = p["mark_convolution.1.weight"], p["mark_convolution.1.bias"]
    states = convolve(np.array(vectors).T, kernel, bias)
    v, beta = attend(states, p["mark_attention.context"][0])
    return (p["output.weight"] @ v + p["output.bias"])[0], np.array(alphas), beta


def deepchrome(x, p):
    """Logit of DeepChrome for one gene."""
    x = np.arcsinh(x) / p["transform.scale"]
    kernel, bias = p["convolution.0.weight"], p["convolution.0.bias"]
    width = kernel.shape[2]
    steps = range(x.shape[1] - width + 1)
    maps = np.array([(kernel * x[:, t : t + width]).sum((1, 2)) + bias for t in steps]).T
    maps = np.maximum(maps, 0)
    pooled = np.array([maps[:, 5 * k : 5 * k + 5].max(1) for k in range(maps.shape[1] // 5)]).T
    h = np.maximum(p["mlp.0.weight"] @ pooled.ravel() + p["mlp.0.bias"], 0)
    h = np.maximum(p["mlp.2.weight"] @ h + p["mlp.2.bias"], 0)
    off, on = p["mlp.4.weight"] @ h + p["mlp.4.bias"]
    return on - off
