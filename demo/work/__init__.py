"""What the tabs compute. These modules import torch; the page imports them when they are first needed."""
