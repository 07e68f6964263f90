"""The older models of the paper's Table 1, on the features that their own papers used.

scikit-learn (or a rule learner) fits each, and the result is written into buffers, from which the
logit is computed in torch: these models are therefore kept, checked and explained like networks.
"""
