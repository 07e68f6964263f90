"""From tracks, tables, CSV or the simulator to a dataset."""
