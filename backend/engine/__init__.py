"""The engines: texts -> logits of the answer tokens, by a version of the model; and P(label)."""
