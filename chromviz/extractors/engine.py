"""captum, imported without its complaint in notebooks about a library for progress bars."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "IProgress not found")
    from captum import attr as attr
    from captum import metrics as metrics
