"""The older models of the paper's Table 1, on the features that their own papers used.

Each is a :class:`~chromviz.models.fitted.Fitted`: scikit-learn (or a rule learner) is fitted, and
the result is written into buffers, from which the logit is computed in torch. These models are
therefore kept, checked and explained like networks.
"""
