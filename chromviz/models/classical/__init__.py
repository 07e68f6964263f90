"""The older models of the paper's Table 1, on the features that their own papers used.

Each is a :class:`~chromviz.models.fitted.Fitted`: scikit-learn (or a library of rule learners)
learns, and what it learned is written into buffers, from which the logit is computed in torch. So
they are kept, checked and explained as networks are.
"""
