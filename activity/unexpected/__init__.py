"""Use of a token that its owner would not expect: the rules, what they are applied to, and who is told."""
