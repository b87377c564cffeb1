"""The choice: which texts of a pool experts should label, and what their answers show.

pool -> embed -> label -> choose -> order -> push
                                              experts, in Label Studio
status <- stop <- align <- collect

choose: start until verdicts have taught a model, then boundary -> pair -> budget; audit always.
"""

import logging

# imported by libraries where it is installed; it warns of kernels that nobody asked for
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
