"""The engines: texts -> logits of the answer tokens, by a version of the model; and P(label)."""

import logging

# peft imports bitsandbytes where it is installed, which warns of kernels that nobody asked for
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
