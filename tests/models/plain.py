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
