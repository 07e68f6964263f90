"""What users come for, as sequences of steps that only call the rooms below."""
