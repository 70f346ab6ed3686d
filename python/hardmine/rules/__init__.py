"""What to choose, said as frozen values: ceilings, draws, selections. They say what, never how."""
