"""Training and measuring variants of the network that lack a part, as the paper's Table 3 does."""
